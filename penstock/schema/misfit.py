"""How a value that does not fit says where: a path from `data` downward and a reason."""

from __future__ import annotations


class Misfit(Exception):
    """A value does not fit. Raised at the spot, given its path by every level it passes on the way up."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
        self._steps: list[str | int] = []

    def under(self, step: str | int) -> Misfit:
        """The same misfit, one level further out: a field name or a list index."""
        self._steps.append(step)
        return self

    @property
    def path(self) -> str:
        """`data.lines[3].price`."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in reversed(self._steps))
        return "data" + "".join(steps)

    def __str__(self) -> str:
        return f"{self.path} {self.why}"

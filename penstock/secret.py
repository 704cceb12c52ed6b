"""A password, token or signing key: it can be used where it is needed, and never shows itself in a log or an error."""

from __future__ import annotations

import hmac
from pathlib import Path

from penstock.errors import PenstockError


class Secret:
    """One secret of the topology, from `${VAR}` or from a `file:`, which is read each time it is used.

    So a file that is replaced (a rotated key, a mounted secret) holds from the next use on.
    """

    __slots__ = ("_file", "_text")

    def __init__(self, text: str = "", *, file: Path | None = None) -> None:
        self._text = text
        self._file = file

    def reveal(self) -> str:
        """The secret itself, without the line end a file may have. Raises PenstockError for a file it cannot read."""
        if self._file is None:
            return self._text
        try:
            found = self._file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise PenstockError(f"the secret in {self._file} cannot be read: {reason}", "see that it exists") from None
        if not found:
            raise PenstockError(f"the secret in {self._file} is empty", "write the secret into it")
        return found

    def matches(self, said: str) -> bool:
        """Whether `said` is the secret, found out in constant time. Raises as `reveal`."""
        return hmac.compare_digest(self.reveal().encode(), said.encode(errors="surrogateescape"))

    def beside(self, folder: Path) -> Secret:
        """The same secret, a relative file looked for in `folder`."""
        return self if self._file is None else Secret(file=folder / self._file)

    def __repr__(self) -> str:
        return "Secret(***)" if self._file is None else f"Secret(file:{self._file})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self._text, self._file) == (other._text, other._file)

    def __hash__(self) -> int:
        return hash((self._text, self._file))

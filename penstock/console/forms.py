"""What a page sends back: its fields, read only for one who may act; anything else is a refusal in words."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

from penstock.console.access import Access
from penstock.console.desk import NotThere
from penstock.errors import PenstockError


class Refused(PenstockError):
    """The request may not act."""

    def __init__(self) -> None:
        super().__init__(
            "acting needs the console's token", "open the address that `penstock console` printed; it carries the token"
        )


async def fields_of(request: Request, access: Access) -> Mapping[str, str]:
    """The fields of a form. Raises Refused where the request may not act."""
    async with request.form(max_files=0, max_part_size=4 << 20) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
    if not access.may_act(request, fields.get("proof", "")):
        raise Refused
    return fields


def operator(request: Request, form: Mapping[str, str]) -> str:
    """Who acts: what the form says, else from where."""
    return form.get("by", "").strip() or f"console@{request.client.host if request.client else 'unknown'}"


def number(text: str, *, what: str = "a number") -> float | None:
    """A field as a number above 0; None where it is empty. Raises NotThere."""
    if not text:
        return None
    try:
        found = float(text)
    except ValueError:
        raise NotThere(f"{text} is not {what}") from None
    if not 0 < found < 1e9:
        raise NotThere(f"{text} is not {what} above 0")
    return found

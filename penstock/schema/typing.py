"""From plain data to what a handler asks for with `Event[T]`: dataclass, TypedDict, pydantic model, their parts."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from penstock.errors import HandlerError, Undecodable
from penstock.schema import shapes
from penstock.schema.misfit import Misfit
from penstock.schema.shapes import Convert

_PLAIN: Final = (None, Any, dict, object)


def converter(annotation: Any) -> Convert | None:
    """What turns decoded data into `annotation`, or None where nothing is to be done (absent, Any, dict, object).

    The function raises Undecodable, naming the path, for data of another shape, and leaves a tombstone's None alone.
    Raises HandlerError where the annotation itself cannot be used.
    """
    if isinstance(annotation, typing.TypeVar) or any(annotation is plain for plain in _PLAIN):
        return None
    convert = _Shapes().of(annotation)

    def converted(data: Any) -> Any:
        if data is None:
            return None
        try:
            return convert(data)
        except Misfit as misfit:
            raise Undecodable(str(misfit), f"the handler asks for {_name(annotation)}") from misfit

    return converted


class _Shapes:
    """Builds converters; those of classes are kept, so that a class may contain itself."""

    def __init__(self) -> None:
        self._known: dict[Any, Convert] = {}

    def of(self, wanted: Any) -> Convert:
        """The converter of one annotation."""
        if wanted is Any or wanted is object or isinstance(wanted, typing.TypeVar):
            return lambda value: value
        if wanted is None or wanted is type(None):
            return shapes.null
        origin = typing.get_origin(wanted)
        if origin is not None:
            return self._generic(wanted, origin, typing.get_args(wanted))
        if wanted in shapes.SCALARS:
            return shapes.SCALARS[wanted]
        if hasattr(wanted, "__supertype__"):  # NewType
            return self.of(wanted.__supertype__)
        if isinstance(wanted, type):
            return self._class(wanted)
        raise HandlerError(f"data cannot be given as {wanted!r}", "use a dataclass, a TypedDict or a pydantic model")

    def _generic(self, wanted: Any, origin: Any, args: tuple[Any, ...]) -> Convert:
        if origin in (typing.Annotated, typing.Required, typing.NotRequired, typing.Final):
            return self.of(args[0])
        if origin is typing.Literal:
            return shapes.literal_of(args)
        if origin in (typing.Union, types.UnionType):
            return shapes.union_of([self.of(arg) for arg in args], wanted)
        if origin in shapes.LISTS:
            return self._list(origin, args)
        if origin in (dict, Mapping):
            return shapes.map_of(self.of(args[0]), self.of(args[1]))
        return self._class(origin)

    def _list(self, origin: Any, args: tuple[Any, ...]) -> Convert:
        if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
            return shapes.tuple_of([self.of(arg) for arg in args])
        return shapes.list_of(shapes.LISTS[origin], self.of(args[0]))

    def _class(self, wanted: type) -> Convert:
        if wanted in shapes.LISTS:
            return shapes.list_of(shapes.LISTS[wanted], lambda value: value)
        if wanted in (dict, Mapping):
            return shapes.map_of(lambda key: key, lambda value: value)
        if wanted not in self._known:

            def later(value: Any) -> Any:  # stands in for a class inside itself while it is being looked at
                return self._known[wanted](value)

            self._known[wanted] = later
            self._known[wanted] = self._build(wanted)
        return self._known[wanted]

    def _build(self, wanted: Any) -> Convert:
        if callable(getattr(wanted, "model_validate", None)):
            return shapes.model_of(wanted)
        if typing.is_typeddict(wanted):
            hints = _hints(wanted)
            return shapes.typed_dict_of({name: self.of(hint) for name, hint in hints.items()}, _required(wanted, hints))
        if dataclasses.is_dataclass(wanted):
            return shapes.dataclass_of(wanted, self._fields(wanted))
        if issubclass(wanted, Enum):
            return shapes.enum_of(wanted)
        hint = "use a dataclass, a TypedDict or a pydantic model"
        raise HandlerError(f"data cannot be given as {wanted.__qualname__}", hint)

    def _fields(self, wanted: Any) -> list[shapes.Field]:
        hints = _hints(wanted)
        found = []
        for field in dataclasses.fields(wanted):
            if field.init:
                missing = dataclasses.MISSING
                required = field.default is missing and field.default_factory is missing
                found.append(shapes.Field(field.name, self.of(hints[field.name]), required))
        return found


def _hints(wanted: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(wanted, include_extras=True)
    except NameError as error:
        hint = "import the name at run time too, not only for type checking"
        raise HandlerError(f"the annotations of {wanted.__qualname__} cannot be resolved: {error}", hint) from error


def _required(wanted: Any, hints: dict[str, Any]) -> frozenset[str]:
    """The keys a TypedDict requires; its own `__required_keys__` cannot see qualifiers in annotations kept as text."""
    qualifiers = {name: typing.get_origin(hint) for name, hint in hints.items()}
    absent = {name for name, qualifier in qualifiers.items() if qualifier is typing.NotRequired}
    present = {name for name, qualifier in qualifiers.items() if qualifier is typing.Required}
    return frozenset((wanted.__required_keys__ - absent) | present)


def _name(wanted: Any) -> str:
    return wanted.__name__ if isinstance(wanted, type) else str(wanted)

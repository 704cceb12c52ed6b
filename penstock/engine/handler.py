"""Handlers: from `module:attribute` to something that can be awaited with (event, context).

Accepted: `async def`, plain `def`, an async generator (each yield is an emit), an object or class with `__call__`
and, if it likes, `setup` and `close`; each with (event) or (event, ctx).
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import inspect
import sys
import traceback
import typing
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, get_args, get_origin

from penstock.errors import HandlerError
from penstock.event import Event
from penstock.topology.model import Processor, Topology

Call = Callable[[Any, Any], Awaitable[Any]]
THREADS: Final = "penstock-handler-"  # what the threads of plain `def` handlers are named


class StillRunning(BaseException):
    """A plain `def` handler went on past its timeout and the grace: its thread cannot be stopped."""


@dataclass(frozen=True, slots=True)
class Yields:
    """What an async generator yielded, in order; each is sent to `output`."""

    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Handler:
    """A handler ready to run. `data_type` is T of `Event[T]`, None where it is not said.

    `threaded`: it runs on a thread, where cancelling does not reach it. `timeout`: seconds of one run where that is
    not the processor's.
    """

    call: Call
    setup: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]
    data_type: Any = None
    threaded: bool = False
    timeout: float | None = None


def load(topology: Topology, processor: Processor) -> Handler:
    """Import and adapt the processor's handler. Raises HandlerError whose hint holds the user's own traceback."""
    if processor.sink is not None:
        from penstock.engine.connector import make

        return adapt(make(processor.sink, topology.directory), processor)
    found = import_attribute(processor.handler, topology.directory)
    return adapt(found, processor)


def import_attribute(spec: str, directory: Path) -> Any:
    """The object that `module:attribute` names, the app's folder first on sys.path. Raises HandlerError."""
    module_name, _, attribute = spec.partition(":")
    if not module_name or not attribute:
        raise HandlerError(f"handler {spec!r} is not module:attribute", "for example processors.triage:triage")
    root = str(directory.resolve())
    if root not in sys.path:
        sys.path.insert(0, root)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            hint = f"there is no module {error.name!r} in {root}, nor is one installed"
            raise HandlerError(f"cannot import {module_name!r}", hint) from None
        raise HandlerError(f"cannot import {module_name!r}", _own_traceback(error)) from error
    except (Exception, SystemExit) as error:  # SystemExit: a script that was not meant to be imported
        raise HandlerError(f"cannot import {module_name!r}", _own_traceback(error)) from error
    _check_place(found, module_name, Path(root))
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise HandlerError(f"module {module_name!r} has no attribute {attribute!r}", f"looked in {root}")
        found = getattr(found, part)
    return found


def _check_place(module: Any, name: str, app: Path) -> None:
    """Another package of the same name wins over a folder without `__init__.py`: never run somebody else's code."""
    folder = app / name.partition(".")[0]
    stands = getattr(module, "__file__", None)
    if stands and folder.is_dir() and not Path(stands).resolve().is_relative_to(app):
        raise HandlerError(
            f"{name!r} was imported from {stands}, and not from this app",
            f"put an empty __init__.py into {folder}, or give that folder another name",
        )


def import_class(dotted: str, directory: Path) -> type[BaseException]:
    """The exception class that `package.module.Class` or a builtin's name stands for. Raises HandlerError."""
    module_name, _, name = dotted.rpartition(".")
    found = import_attribute(f"{module_name or 'builtins'}:{name}", directory)
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        raise HandlerError(f"{dotted!r} is no exception class", "retry.never takes exception classes")
    return found


def adapt(found: Any, processor: Processor) -> Handler:
    """A Handler around a function, generator function, class or callable object. Raises HandlerError."""
    target = _instance(found, processor) if inspect.isclass(found) else found
    if not callable(target):
        raise HandlerError(
            f"handler {processor.handler!r} cannot be called", "write a function or a class with __call__"
        )
    function = target if inspect.isroutine(target) else type(target).__call__
    two = _takes_context(target, processor)
    call: Call
    threads: ThreadPoolExecutor | None = None
    if inspect.isasyncgenfunction(function):
        if processor.batch is not None:
            hint = "return a list with one value per event, or remove `batch`"
            raise HandlerError(f"handler {processor.handler!r} yields, and is given batches", hint)
        call = _generator(target, two=two)
    elif inspect.iscoroutinefunction(function):
        call = target if two else lambda event, _ctx: target(event)
    else:
        threads = ThreadPoolExecutor(processor.threads, thread_name_prefix=f"{THREADS}{processor.name}")
        call = _threaded(target, processor, threads, two=two)
    setup, close = _hook(target, "setup", processor), _closing(_hook(target, "close", processor), threads)
    return Handler(call, setup, close, _data_type(function, processor), threads is not None)


def _instance(found: type, processor: Processor) -> Any:
    try:
        return found()
    except Exception as error:
        raise HandlerError(f"handler class {processor.handler!r} cannot be made", _own_traceback(error)) from error


def _takes_context(target: Any, processor: Processor) -> bool:
    try:
        inspect.signature(target).bind(None, None)
    except TypeError:
        pass
    else:
        return True
    try:
        inspect.signature(target).bind(None)
    except TypeError:
        raise HandlerError(
            f"handler {processor.handler!r} takes {inspect.signature(target)}",
            "it is called with (event) or (event, ctx)",
        ) from None
    return False


def _generator(target: Any, *, two: bool) -> Call:
    async def call(event: Any, ctx: Any) -> Yields:
        yielded = target(event, ctx) if two else target(event)
        return Yields(tuple([item async for item in yielded]))

    return call


def _threaded(target: Any, processor: Processor, threads: ThreadPoolExecutor, *, two: bool) -> Call:
    async def call(event: Any, ctx: Any) -> Any:
        function = partial(target, event, ctx) if two else partial(target, event)
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(threads, contextvars.copy_context().run, _shielded, function)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if not future.done():
                await _outlive(future, processor.stop_grace_period)
            raise

    return call


async def _outlive(future: asyncio.Future[Any], grace: float) -> None:
    """Wait for a thread that was told nothing: it cannot be cancelled, so its slot stays taken meanwhile."""
    done, _ = await asyncio.wait({future}, timeout=grace)
    if not done:
        raise StillRunning
    future.exception()  # seen: the attempt has failed by timeout, whatever the thread says now


def _shielded(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except StopIteration as error:  # a future cannot carry it
        raise RuntimeError("the handler raised StopIteration") from error


def _hook(target: Any, name: str, processor: Processor) -> Callable[[], Awaitable[None]]:
    method = getattr(target, name, None) if not inspect.isroutine(target) else None

    async def hook() -> None:
        if method is None:
            return
        arguments = (processor.settings,) if inspect.signature(method).parameters else ()
        result = method(*arguments)
        if inspect.isawaitable(result):
            await result

    return hook


def _closing(hook: Callable[[], Awaitable[None]], threads: ThreadPoolExecutor | None) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        try:
            await hook()
        finally:
            if threads is not None:
                threads.shutdown(wait=False, cancel_futures=True)

    return close


def _data_type(function: Any, processor: Processor) -> Any:
    """T of the first parameter's `Event[T]`. Raises HandlerError where it says Event and cannot be resolved."""
    annotation = next(
        (said for name, said in getattr(function, "__annotations__", {}).items() if name != "return"), None
    )
    if isinstance(annotation, str):  # only this one: the others may name what is imported for type checkers alone
        only = SimpleNamespace(__annotations__={"event": annotation}, __module__=function.__module__)
        try:
            annotation = typing.get_type_hints(only, vars(sys.modules[function.__module__]))["event"]
        except Exception as error:
            if "Event" not in annotation:
                return None
            raise HandlerError(
                f"handler {processor.handler!r} takes {annotation}, which cannot be resolved: {error}",
                "import the type at the top of the module, not under TYPE_CHECKING",
            ) from error
    if processor.batch is not None and get_origin(annotation) is list:
        annotation = get_args(annotation)[0]  # list[Event[T]]
    return get_args(annotation)[0] if get_origin(annotation) is Event else None


def _own_traceback(error: BaseException) -> str:
    """The user's part of a traceback: without our frames and the import machinery's."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "importlib" not in frame.filename and not frame.filename.endswith("penstock/engine/handler.py")
    ]
    lines = [*traceback.format_list(frames), *traceback.format_exception_only(error)]
    return "your own traceback:\n" + "".join(lines).rstrip()

"""Runs in `__main__` of the embedded interpreter: import the filter, wire its callbacks, leave no trace.

It imports nothing that a filter doesn't need anyway, since whatever is imported here stays in every module.
The build appends a call of `main` and runs both with `ls_exec`. The finder isn't there yet when this file
starts, so it does without `__future__`.
"""

import sys

import _proxy_wasm  # type: ignore[import-not-found]  # a C module that exists inside the wasm only

TYPE_CHECKING = False  # the typing module would stay in every module
if TYPE_CHECKING:
    from traceback import TracebackException
    from types import CodeType, ModuleType
    from typing import Any

_ModuleSpec = type(sys.__spec__)
_HIDDEN = ("<build>", "<frozen importlib", "<string>")
_PRINTABLE = frozenset(range(0x20, 0x7F)) - {ord('"'), ord("\\")}
_PLANE = 0x10000


def _ask(service: str, argument: str) -> bytes | None:
    answer: bytes | None = _proxy_wasm.call_foreign_function(
        b"leaksignal.build." + service.encode(), argument.encode()
    )
    return answer


def _json(value: str) -> str:
    """Write a string as JSON; the json module would stay in the snapshot."""
    return '"' + "".join([chr(x) if x in _PRINTABLE else f"\\u{x:04x}" for x in _units(value)]) + '"'


def _units(value: str) -> list[int]:
    """Give UTF-16 code units, lone surrogates included."""
    units = []
    for code in map(ord, value):
        if code >= _PLANE:
            units += [0xD800 + ((code - _PLANE) >> 10), 0xDC00 + (code & 0x3FF)]
        else:
            units.append(code)
    return units


def _report(event: str, **values: str | list[str]) -> None:
    fields = ['{"event":' + _json(event)]
    for name, value in values.items():
        text = _json(value) if isinstance(value, str) else "[" + ",".join(map(_json, value)) + "]"
        fields.append(_json(name) + ":" + text)
    _ask("report", ",".join(fields) + "}")


class _Finder:
    """Asks the build for the source of each module: the last finder, after built-in and frozen modules."""

    @staticmethod
    def find_spec(name: str, _path: "Any" = None, _target: "Any" = None) -> "Any":
        answer = _ask("source", name)
        if answer is None:
            return None
        header, _, source = answer.partition(b"\n")
        known = eval(header, {"true": True, "false": False})  # JSON of strings, booleans and a number
        spec: Any = _ModuleSpec(name, _Finder, is_package=known["package"])  # type: ignore[arg-type]  # it needs no instance
        if known["package"]:
            spec.submodule_search_locations.append(known["path"].rpartition("/")[0])
        spec.loader_state = known["path"], known["optimize"], source
        return spec

    @staticmethod
    def create_module(_spec: "Any") -> None:
        return None

    @staticmethod
    def exec_module(module: "ModuleType") -> None:
        spec: Any = module.__spec__
        path, optimize, source = spec.loader_state
        # neither the loader nor the source may stay in the snapshot
        spec.loader_state = spec.loader = module.__loader__ = None
        if not path.endswith("/"):  # a namespace package has no file
            module.__file__ = spec.origin = path
        _report("begin", module=spec.name)
        try:
            code: CodeType = compile(source, path, "exec", 0, True, optimize)
            del source
            exec(code, module.__dict__)
        except BaseException:
            _report("raised")
            raise
        _report("end")


class _Absent:
    """The finder that stays: says why an import in a running filter can't work."""

    @staticmethod
    def find_spec(name: str, _path: "Any" = None, _target: "Any" = None) -> None:
        raise ModuleNotFoundError(
            f"{name} is not in this wasm module: only what is imported during its build comes along",
            name=name,
        )


def _failure(error: BaseException) -> dict[str, str | list[str]]:
    return {
        "bases": [base.__name__ for base in type(error).__mro__],
        "missing": str(getattr(error, "name", None) or ""),
        "message": str(error),
        "traceback": _traceback(error),
    }


def _bare(error: BaseException) -> str:
    """Name the places of a traceback with next to no memory."""
    lines = ["Traceback (most recent call last):"]
    frame = error.__traceback__
    while frame is not None:
        code = frame.tb_frame.f_code
        if not code.co_filename.startswith(_HIDDEN):
            lines.append(f'  File "{code.co_filename}", line {frame.tb_lineno}, in {code.co_name}')
        frame = frame.tb_next
    return "\n".join([*lines, type(error).__name__])


def _traceback(error: BaseException) -> str:
    """Format as Python does, with source lines, without the frames of the build and of importlib."""
    import traceback

    _remember_lines(error, set())
    whole = traceback.TracebackException.from_exception(error)
    _trim(whole, set())
    return "".join(whole.format())


def _remember_lines(error: BaseException | None, seen: set[int]) -> None:
    """Give `linecache` the source of every frame: there are no files to read."""
    import linecache

    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frame = error.__traceback__
        while frame is not None:
            path = frame.tb_frame.f_code.co_filename
            source = None if path in linecache.cache else _ask("lines", path)
            if source is not None:
                text = source.decode(errors="replace").splitlines(keepends=True)
                linecache.cache[path] = (len(source), None, text, path)
            frame = frame.tb_next
        _remember_lines(error.__cause__, seen)
        error = error.__context__


def _trim(part: "TracebackException | None", seen: set[int]) -> None:
    if part is None or id(part) in seen:
        return
    seen.add(id(part))
    part.stack[:] = [frame for frame in part.stack if not frame.filename.startswith(_HIDDEN)]
    _trim(part.__cause__, seen)
    _trim(part.__context__, seen)


def _step(name: str) -> None:
    _report("step", name=name)


def _defer() -> None:
    """Import what the filter imports inside of functions: later is too late."""
    for entry in (_ask("deferred", "") or b"").decode().split():
        name, _, member = entry.partition(":")
        try:
            __import__(name)
            if member and not hasattr(sys.modules[name], member):
                __import__(f"{name}.{member}")
        except ImportError as error:  # no failure of the build: the filter may never get there
            _report("unavailable", entry=entry, message=str(error))


def _warm_up() -> None:
    """Run the SDK's own paths, so that the first requests find them warm."""
    from proxy_wasm._warm import warm_up

    warm_up()
    _forget("proxy_wasm._warm")


def _forget(name: str) -> None:
    """Drop a module that only the build needs."""
    package, _, tail = name.rpartition(".")
    delattr(sys.modules[package], tail)
    del sys.modules[name]


def main(module: str, class_name: str | None, data: list[str]) -> None:
    """Import the filter, build its dispatcher and hand its callbacks to C; report how that went."""
    failure: dict[str, str | list[str]] | None = None
    sys.path[:] = []
    sys.meta_path[:] = [x for x in sys.meta_path if getattr(x, "__name__", "") != "PathFinder"]
    sys.meta_path.append(_Finder)
    try:
        _step("sdk")
        from proxy_wasm import _discover, _dispatch

        if data:
            from proxy_wasm import _build

            for name in data:
                _build.DATA[name] = _ask("data", name) or b""
        _step("import")
        __import__(module)
        _step("discover")
        plugin = _discover.find_plugin(sys.modules[module], class_name)
        _forget("proxy_wasm._discover")
        _step("prepare")
        prepare = getattr(plugin, "prepare", None)
        if prepare is not None:
            prepare()
        _step("deferred")
        _defer()
        _step("warm")
        _warm_up()
        _step("callbacks")
        callbacks = _dispatch.Dispatcher(plugin).callbacks
        _proxy_wasm.set_callbacks(callbacks)
    except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt are a filter's errors, too
        _report("failing")
        try:
            failure = _failure(error)
        except BaseException:  # noqa: BLE001 - no memory left, or an exception that can't even be printed
            failure = {"bases": [], "missing": "", "message": type(error).__name__, "traceback": _bare(error)}
    else:
        _report("done", plugin=plugin.__qualname__, callbacks=list(callbacks))
    if failure is not None:  # out here the exception is gone, and with it whatever filled the memory
        _report("failed", **failure)
    sys.meta_path[:] = [_Absent if x is _Finder else x for x in sys.meta_path]

"""Runs in `__main__` once the snapshot is taken: what each Python module weighs in memory.

It may use what it likes, since nothing of it ends up in the finished module.
"""

import gc
import sys

import _proxy_wasm  # type: ignore[import-not-found]  # a C module that exists inside the wasm only

TYPE_CHECKING = False  # neither typing nor types may be there to import any more
if TYPE_CHECKING:
    from types import CodeType

_CODE = type((lambda: None).__code__)
_FUNCTION = type(lambda: None)
_MODULE = type(sys)

_HEAD = 8  # malloc's own bytes for each block


def _parts(code: "CodeType") -> list[object]:
    """List what a code object holds: the garbage collector doesn't know."""
    return [
        code.co_consts,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_name,
        code.co_qualname,
        code.co_linetable,
        code.co_exceptiontable,
    ]


def _foreign(value: object, owner: str) -> bool:
    """Tell whether something belongs to another module, which will count it itself."""
    kind = type(value)  # not isinstance, which may run code of the filter's own
    if issubclass(kind, _MODULE):
        return True
    if issubclass(kind, type | _FUNCTION):
        home = getattr(value, "__module__", owner)
        return home != owner and home in sys.modules
    return False


def _size(value: object) -> int:
    try:
        return sys.getsizeof(value, 0) + _HEAD
    except Exception:  # noqa: BLE001 - a __sizeof__ of the filter's own
        return _HEAD


def _weight(module: object, seen: set[int]) -> int:
    """Add up all that is reachable from a module and was not counted before."""
    total = 0
    owner = getattr(module, "__name__", "")
    pending: list[object] = [vars(module)]
    while pending:
        value = pending.pop()
        if id(value) in seen or _foreign(value, owner):
            continue
        seen.add(id(value))
        total += _size(value)
        pending += _parts(value) if isinstance(value, _CODE) else gc.get_referents(value)
    return total


def main() -> None:
    """Report each module's weight, counted in the order of their import."""
    builtins = vars(sys.modules["builtins"])
    seen = {id(sys.modules), id(builtins), id(globals()), *map(id, builtins.values())}
    modules: list[tuple[str, object]] = [*sys.modules.items()]
    lines = [
        f'"{name}":{_weight(module, seen)}'
        for name, module in modules
        if name not in ("builtins", "__main__")
        and name.replace(".", "_").isidentifier()
        and issubclass(type(module), _MODULE)
    ]
    # What the sealed table still offers can be imported again, even if it left `sys.modules` meanwhile.
    builtin = ",".join(f'"{name}"' for name in sys.builtin_module_names)
    text = f'{{"event":"measured","heap":{{{",".join(lines)}}},"builtin":[{builtin}]}}'
    _proxy_wasm.call_foreign_function(b"leaksignal.build.report", text.encode())

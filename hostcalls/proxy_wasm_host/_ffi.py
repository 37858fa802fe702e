"""The two hot paths between Python and wasm, straight on wasmtime's C interface.

wasmtime's own `Func` looks up and converts types on every call; here signatures were checked when the
module was loaded, so the unchecked entry points are safe: a value is a 16-byte slot, an i32 in its first
four bytes, an i64 in its first eight.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from typing import TYPE_CHECKING, Any

import wasmtime
from wasmtime import _ffi as raw

if TYPE_CHECKING:
    from collections.abc import Callable

_dll: Any = raw.dll
_NATIVE_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t
)

# Looked up anew, so that wasmtime's own declarations of the same functions stay as they are.
_new: Any = _dll["wasmtime_func_new_unchecked"]
_new.restype = None
_new.argtypes = [ctypes.c_void_p, ctypes.c_void_p, _NATIVE_CALLBACK] + [ctypes.c_void_p] * 3
_call: Any = _dll["wasmtime_func_call_unchecked"]
_call.restype = ctypes.c_void_p
_call.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
_trap_new: Any = _dll["wasmtime_trap_new"]
_trap_new.restype = ctypes.c_size_t
_trap_new.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
_set_deadline: Any = _dll["wasmtime_context_set_epoch_deadline"]
_set_deadline.restype = None
_set_deadline.argtypes = [ctypes.c_void_p, ctypes.c_uint64]

_SLOTS = {"i": "I12x", "I": "Q8x"}
_VALUES = {"i": ctypes.c_uint32, "I": ctypes.c_uint64}
_HOST_ERROR = b"a host function failed"


class Raised:
    """Holds what a host function raised until the call into wasm is back."""

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: BaseException | None = None


def context_address(store: wasmtime.Store) -> int:
    """Return the address of the store's context, good as long as the store is."""
    address = ctypes.cast(store._context(), ctypes.c_void_p).value  # noqa: SLF001 -- the C interface wants it
    assert address is not None  # noqa: S101 -- an open store has one
    return address


def set_deadline(context: int, ticks: int) -> None:
    """Let wasm trap after `ticks` of the engine's epoch."""
    _set_deadline(context, ticks)


@functools.cache
def _shape(signature: str) -> tuple[struct.Struct, Any, wasmtime.FuncType]:
    """Return how the slots of a function's parameters are laid out, its result's type, and its wasm type."""
    parameters, results = signature.split(":")
    letters = {"i": wasmtime.ValType.i32, "I": wasmtime.ValType.i64}
    kind = wasmtime.FuncType(
        [letters[letter]() for letter in parameters], [letters[letter]() for letter in results]
    )
    layout = struct.Struct("<" + "".join(_SLOTS[letter] for letter in parameters))
    return layout, _VALUES[results] if results else None, kind


def host_function(
    context: int, signature: str, function: Callable[..., int | None], raised: Raised
) -> tuple[wasmtime.Func, object]:
    """Return a wasm function that calls `function`, and an object to keep as long as the store lives.

    What `function` raises ends the running call into wasm and is raised again by `Guest`.
    """
    layout, result, kind = _shape(signature)
    unpack, size = layout.unpack, layout.size
    string_at = ctypes.string_at
    store_result = None if result is None else result.from_address

    def native(_environment: int, _caller: int, slots: int, _count: int) -> int:
        try:
            answer = function(*unpack(string_at(slots, size)))
            if store_result is not None:
                store_result(slots).value = answer or 0
        except BaseException as error:  # noqa: BLE001 -- carried across wasm, raised again on the other side
            raised.error = error
            return int(_trap_new(_HOST_ERROR, len(_HOST_ERROR)))
        return 0

    callback = _NATIVE_CALLBACK(native)
    func = raw.wasmtime_func_t()
    _new(context, kind.ptr(), callback, None, None, ctypes.byref(func))
    return wasmtime.Func._from_raw(func), callback  # noqa: SLF001 -- made by the line above, as Func() would


class Guest:
    """An exported function, callable with `int`s.

    Raises what a host function raised underneath, else `wasmtime.Trap` or `wasmtime.WasmtimeError`.
    """

    __slots__ = ("_address", "_context", "_func", "_layout", "_raised", "_result", "_slots", "_trap")

    def __init__(self, context: int, func: wasmtime.Func, signature: str, raised: Raised) -> None:
        parameters, results = signature.split(":")
        self._layout, result, _kind = _shape(signature)
        self._context = context
        self._func = func._func  # noqa: SLF001 -- the C interface wants it
        count = max(len(parameters), len(results), 1)
        self._slots = ctypes.create_string_buffer(16 * count)
        self._address = (ctypes.addressof(self._func), ctypes.addressof(self._slots), count)
        self._result = None if result is None else result.from_buffer(self._slots)
        self._trap = ctypes.c_void_p()
        self._raised = raised

    def __call__(self, *arguments: int) -> int:
        """Call the function; its result (unsigned), or 0 where it has none."""
        self._layout.pack_into(self._slots, 0, *arguments)
        func, slots, count = self._address
        trap = self._trap
        error = _call(self._context, func, slots, count, ctypes.byref(trap))
        if error or trap.value:
            self._raise(error)
        return 0 if self._result is None else self._result.value

    def _raise(self, error: int | None) -> None:
        address, self._trap.value = self._trap.value, None
        failure: Exception
        if address:
            failure = wasmtime.Trap._from_ptr(  # noqa: SLF001 -- owns the trap from here on
                ctypes.cast(address, ctypes.POINTER(raw.wasm_trap_t))
            )
        else:
            failure = wasmtime.WasmtimeError._from_ptr(  # noqa: SLF001 -- owns the error from here on
                ctypes.cast(error or 0, ctypes.POINTER(raw.wasmtime_error_t))
            )
        raised, self._raised.error = self._raised.error, None
        if raised is not None:
            raise raised
        raise failure

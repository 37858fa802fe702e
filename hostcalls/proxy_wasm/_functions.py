"""Host calls that belong to no object."""

from __future__ import annotations

import sys

from proxy_wasm._abi import host
from proxy_wasm._errors import host_call_error
from proxy_wasm._headers import to_bytes
from proxy_wasm._types import Status


def call_foreign_function(name: str, arguments: str | bytes = b"") -> bytes:
    """Call a function that this host offers beyond the ABI, such as Envoy's ``set_envoy_filter_state``.

    Raises :class:`NotFoundError` if it does not offer it.
    """
    answer = host.call_foreign_function(name.encode(), to_bytes(arguments))
    if answer is None:
        raise host_call_error("call_foreign_function", Status.NOT_FOUND)
    return answer


def get_status() -> tuple[int, bytes]:
    """Code and message of the call-out whose answer is being handled (``proxy_get_status``)."""
    return host.get_status()


def get_current_time_nanoseconds() -> int:
    """Nanoseconds since 1970 by the host's clock, which may stand still during a callback.

    ``time.time_ns()`` asks the same clock.
    """
    return host.get_current_time_nanoseconds()


def build_data(name: str) -> bytes | None:
    """Data that the build put into the module under ``name``, such as a compiled policy.

    ``None`` if there is none.
    """
    build = sys.modules.get("proxy_wasm._build")
    if build is None:
        return None
    data: bytes | None = build.DATA.get(name)
    return data

"""The one place that knows where host calls go.

The C module inside the wasm, its native look-alike elsewhere.
"""

from __future__ import annotations

from proxy_wasm._errors import host_call_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from proxy_wasm import _unbound as host
else:
    try:
        import _proxy_wasm as host
    except ImportError:
        from proxy_wasm import _unbound as host

NATIVE = host.__name__ != "_proxy_wasm"
"""Whether this interpreter is an ordinary one, not the one inside the wasm."""

MAX_SIZE = 0xFFFFFFFF
"""The largest ``size_t`` of a 32-bit module."""

host.set_error_factory(host_call_error)

__all__ = ["MAX_SIZE", "NATIVE", "host"]

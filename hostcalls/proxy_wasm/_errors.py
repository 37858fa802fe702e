"""What can go wrong, as one tree.

::

    ProxyWasmError
    +-- HostCallError                 a host call answered with a status other than OK
    |   +-- NotFoundError             also a LookupError
    |   +-- BadArgumentError
    |   +-- SerializationFailureError
    |   +-- ParseFailureError
    |   +-- InvalidMemoryAccessError
    |   +-- EmptyError
    |   +-- CasMismatchError
    |   +-- InternalFailureError
    |   +-- UnimplementedError
    +-- CallFailedError               a call-out ended without an answer
    |   +-- HttpCallFailedError
    |   +-- GrpcCallFailedError
    +-- HostNotBoundError             a host call, and no host (native interpreter only)
    +-- InvalidHeaderError            also a ValueError
    +-- LocalResponseSentError        a second local response on one stream
    +-- PluginDiscoveryError          no plugin class in a module, or several
"""

from __future__ import annotations

from proxy_wasm._phase import phase
from proxy_wasm._types import Status


class ProxyWasmError(Exception):
    """Root of everything the SDK raises by itself."""


class HostCallError(ProxyWasmError):
    """A host call answered with a status other than OK.

    Attributes: ``call`` (name without ``proxy_``), ``status`` (:class:`Status`) and ``phase`` (which callback
    of which context ran).
    """

    def __init__(self, call: str, status: int, phase: str) -> None:
        self.call = call
        self.status = Status.of(status)
        self.phase = phase
        super().__init__(call, self.status, phase)

    def __str__(self) -> str:
        return f"proxy_{self.call}: {self.status.name} (in {self.phase}){_advice(self.call, self.status)}"


class NotFoundError(HostCallError, LookupError):
    """NOT_FOUND: what was asked for is not there, or not in this callback."""


class BadArgumentError(HostCallError):
    """BAD_ARGUMENT: an argument is wrong, or the call is not possible in this callback."""


class SerializationFailureError(HostCallError):
    """SERIALIZATION_FAILURE: the host has the property but cannot write it as bytes."""


class ParseFailureError(HostCallError):
    """PARSE_FAILURE: the host could not read an argument."""


class InvalidMemoryAccessError(HostCallError):
    """INVALID_MEMORY_ACCESS: the host could not read or write the module's memory."""


class EmptyError(HostCallError):
    """EMPTY: nothing in the queue."""


class CasMismatchError(HostCallError):
    """CAS_MISMATCH: the shared value was changed by somebody else meanwhile."""


class InternalFailureError(HostCallError):
    """INTERNAL_FAILURE: the host failed."""


class UnimplementedError(HostCallError):
    """UNIMPLEMENTED: this host does not offer the call."""


_BY_STATUS: dict[int, type[HostCallError]] = {
    Status.NOT_FOUND: NotFoundError,
    Status.BAD_ARGUMENT: BadArgumentError,
    Status.SERIALIZATION_FAILURE: SerializationFailureError,
    Status.PARSE_FAILURE: ParseFailureError,
    Status.INVALID_MEMORY_ACCESS: InvalidMemoryAccessError,
    Status.EMPTY: EmptyError,
    Status.CAS_MISMATCH: CasMismatchError,
    Status.INTERNAL_FAILURE: InternalFailureError,
    Status.UNIMPLEMENTED: UnimplementedError,
}


def host_call_error(call: str, status: int) -> HostCallError:
    """The exception for a status; this is what ``set_error_factory`` is given."""
    return _BY_STATUS.get(status, HostCallError)(call, status, phase.describe())


class CallFailedError(ProxyWasmError):
    """A call-out ended without an answer.

    ``status`` and ``message`` are what ``proxy_get_status`` says about it.
    """

    def __init__(self, what: str, status: int, message: str) -> None:
        self.what = what
        self.status = status
        self.message = message
        super().__init__(what, status, message)

    def __str__(self) -> str:
        return f"{self.what} failed with status {self.status}" + (f": {self.message}" if self.message else "")


class HttpCallFailedError(CallFailedError):
    """No response: connection refused or reset, or the time was over."""


class GrpcCallFailedError(CallFailedError):
    """``status`` is the gRPC status code (https://grpc.io/docs/guides/status-codes/), never 0."""


class HostNotBoundError(ProxyWasmError):
    """A host call in a native interpreter with no host around it."""

    def __init__(self, call: str) -> None:
        super().__init__(
            f"proxy_{call}: no host here. Outside Envoy, run the filter in "
            f"proxy_wasm_host.Host().native_vm(Plugin); at import there is never a host: move the call into on_configure or later"
        )


class InvalidHeaderError(ProxyWasmError, ValueError):
    """A header name or value that no proxy may send on."""


class LocalResponseSentError(ProxyWasmError):
    """A stream gets one local response at most; a second one crashes some hosts (envoyproxy/envoy#23047)."""


class PluginDiscoveryError(ProxyWasmError):
    """No plugin class in a module, or several."""


_MAP_ADVICE = (
    "these headers or trailers are not there in this callback: they can be changed in their own callback and "
    "while it is paused, and read there and in on_log"
)
_BUFFER_ADVICE = "this buffer is not there in this callback: a body is available in its own callback and while it is paused"
_ADVICE: dict[tuple[str, int], str] = {
    (
        "http_call",
        Status.BAD_ARGUMENT,
    ): "is the cluster known to the proxy, and are :method, :path and :authority given?",
    ("http_call", Status.INTERNAL_FAILURE): "the cluster has no healthy host, or refused the call at once",
    ("grpc_call", Status.PARSE_FAILURE): "is the cluster known to the proxy?",
    ("grpc_stream", Status.PARSE_FAILURE): "is the cluster known to the proxy?",
    (
        "set_shared_data",
        Status.CAS_MISMATCH,
    ): "somebody else changed the value: get it again, or use shared_data.update()",
    ("set_effective_context", Status.BAD_ARGUMENT): "the stream has ended",
    ("continue_stream", Status.UNIMPLEMENTED): "this host cannot continue this direction: do not pause it",
    ("increment_metric", Status.BAD_ARGUMENT): "a counter only goes up, and a histogram only records",
    ("get_metric", Status.BAD_ARGUMENT): "a histogram cannot be read back",
    ("set_property", Status.NOT_FOUND): "properties belong to a stream; there is none here",
    ("done", Status.NOT_FOUND): "done() is for a context whose on_done returned False",
}


def _advice(call: str, status: int) -> str:
    text = _ADVICE.get((call, status))
    if text is None and status in (Status.BAD_ARGUMENT, Status.NOT_FOUND):
        if "header_map" in call:
            text = _MAP_ADVICE
        elif "buffer" in call:
            text = _BUFFER_ADVICE
    return f": {text}" if text else ""

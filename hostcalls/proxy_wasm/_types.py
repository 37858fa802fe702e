"""The ABI's enumerations, with the specification's names and numbers (v0.2.1, "Types").

They are plain integers with a name in their ``repr``: ``enum`` costs memory in every filter on every worker
and offers nothing more that a filter needs.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar, Self


class Constant(int):
    """An integer with a name; equal to and hashed like the plain integer."""

    names: ClassVar[dict[int, str]]

    __slots__ = ()

    @classmethod
    def define(cls, **values: int) -> None:
        """Make one constant of each keyword; called once, right below each class."""
        cls.names = {value: name for name, value in values.items()}
        for name, value in values.items():
            setattr(cls, name, cls(value))

    @classmethod
    def of(cls, value: int) -> Self:
        """The constant for ``value``; a value without a name is kept as it is."""
        name = cls.names.get(value)
        if name is None:
            return cls(value)
        constant: Self = getattr(cls, name)
        return constant

    @property
    def name(self) -> str:
        """The specification's name, or the number where the specification has none."""
        return self.names.get(int(self)) or str(int(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    def __str__(self) -> str:
        return self.name


class Action(Constant):
    """What a stream callback answers (``proxy_action_t``)."""

    __slots__ = ()
    CONTINUE: ClassVar[Action]
    """Go on with the headers, the data or the trailers."""
    PAUSE: ClassVar[Action]
    """Hold them until the stream is continued; bodies are buffered by the host meanwhile."""


Action.define(CONTINUE=0, PAUSE=1)


class FailureMode(Constant):
    """What happens to a stream when the filter raises an exception."""

    __slots__ = ()
    OPEN: ClassVar[FailureMode]
    """Let the stream go on, untouched by the filter from there."""
    CLOSED: ClassVar[FailureMode]
    """Answer HTTP with 500 (reset it once the response headers are gone), close TCP."""


FailureMode.define(OPEN=0, CLOSED=1)


class Status(Constant):
    """What a host call answers (``proxy_status_t``)."""

    __slots__ = ()
    OK: ClassVar[Status]
    NOT_FOUND: ClassVar[Status]
    BAD_ARGUMENT: ClassVar[Status]
    SERIALIZATION_FAILURE: ClassVar[Status]
    PARSE_FAILURE: ClassVar[Status]
    INVALID_MEMORY_ACCESS: ClassVar[Status]
    EMPTY: ClassVar[Status]
    CAS_MISMATCH: ClassVar[Status]
    INTERNAL_FAILURE: ClassVar[Status]
    UNIMPLEMENTED: ClassVar[Status]


Status.define(
    OK=0,
    NOT_FOUND=1,
    BAD_ARGUMENT=2,
    SERIALIZATION_FAILURE=3,
    PARSE_FAILURE=4,
    INVALID_MEMORY_ACCESS=6,
    EMPTY=7,
    CAS_MISMATCH=8,
    INTERNAL_FAILURE=10,
    UNIMPLEMENTED=12,
)


class LogLevel(Constant):
    """How grave a log line is (``proxy_log_level_t``)."""

    __slots__ = ()
    TRACE: ClassVar[LogLevel]
    DEBUG: ClassVar[LogLevel]
    INFO: ClassVar[LogLevel]
    WARN: ClassVar[LogLevel]
    ERROR: ClassVar[LogLevel]
    CRITICAL: ClassVar[LogLevel]


LogLevel.define(TRACE=0, DEBUG=1, INFO=2, WARN=3, ERROR=4, CRITICAL=5)


class PeerType(Constant):
    """Who closed a TCP connection (``proxy_peer_type_t``)."""

    __slots__ = ()
    UNKNOWN: ClassVar[PeerType]
    LOCAL: ClassVar[PeerType]
    REMOTE: ClassVar[PeerType]


PeerType.define(UNKNOWN=0, LOCAL=1, REMOTE=2)


class BufferType(Constant):
    """The buffers of ``proxy_buffer_type_t``."""

    __slots__ = ()
    HTTP_REQUEST_BODY: ClassVar[BufferType]
    HTTP_RESPONSE_BODY: ClassVar[BufferType]
    DOWNSTREAM_DATA: ClassVar[BufferType]
    UPSTREAM_DATA: ClassVar[BufferType]
    HTTP_CALL_RESPONSE_BODY: ClassVar[BufferType]
    GRPC_CALL_MESSAGE: ClassVar[BufferType]
    VM_CONFIGURATION: ClassVar[BufferType]
    PLUGIN_CONFIGURATION: ClassVar[BufferType]
    FOREIGN_FUNCTION_ARGUMENTS: ClassVar[BufferType]


BufferType.define(
    HTTP_REQUEST_BODY=0,
    HTTP_RESPONSE_BODY=1,
    DOWNSTREAM_DATA=2,
    UPSTREAM_DATA=3,
    HTTP_CALL_RESPONSE_BODY=4,
    GRPC_CALL_MESSAGE=5,
    VM_CONFIGURATION=6,
    PLUGIN_CONFIGURATION=7,
    FOREIGN_FUNCTION_ARGUMENTS=8,
)


class MapType(Constant):
    """The header maps of ``proxy_map_type_t``."""

    __slots__ = ()
    HTTP_REQUEST_HEADERS: ClassVar[MapType]
    HTTP_REQUEST_TRAILERS: ClassVar[MapType]
    HTTP_RESPONSE_HEADERS: ClassVar[MapType]
    HTTP_RESPONSE_TRAILERS: ClassVar[MapType]
    GRPC_CALL_INITIAL_METADATA: ClassVar[MapType]
    GRPC_CALL_TRAILING_METADATA: ClassVar[MapType]
    HTTP_CALL_RESPONSE_HEADERS: ClassVar[MapType]
    HTTP_CALL_RESPONSE_TRAILERS: ClassVar[MapType]


MapType.define(
    HTTP_REQUEST_HEADERS=0,
    HTTP_REQUEST_TRAILERS=1,
    HTTP_RESPONSE_HEADERS=2,
    HTTP_RESPONSE_TRAILERS=3,
    GRPC_CALL_INITIAL_METADATA=4,
    GRPC_CALL_TRAILING_METADATA=5,
    HTTP_CALL_RESPONSE_HEADERS=6,
    HTTP_CALL_RESPONSE_TRAILERS=7,
)


class StreamType(Constant):
    """The directions that can be continued and closed (``proxy_stream_type_t``)."""

    __slots__ = ()
    HTTP_REQUEST: ClassVar[StreamType]
    HTTP_RESPONSE: ClassVar[StreamType]
    DOWNSTREAM: ClassVar[StreamType]
    UPSTREAM: ClassVar[StreamType]


StreamType.define(HTTP_REQUEST=0, HTTP_RESPONSE=1, DOWNSTREAM=2, UPSTREAM=3)


class MetricType(Constant):
    """The kinds of ``proxy_metric_type_t``."""

    __slots__ = ()
    COUNTER: ClassVar[MetricType]
    GAUGE: ClassVar[MetricType]
    HISTOGRAM: ClassVar[MetricType]


MetricType.define(COUNTER=0, GAUGE=1, HISTOGRAM=2)

from __future__ import annotations

from tests.proxy_wasm_host.probe import GET, MEMORY, REFUSE_MEMORY, Guest, Probe

from proxy_wasm_host import BufferType, HostCallFailed, Status

NOT_FOUND, INVALID_MEMORY = 1, 6


def call(guest: Guest, name: bytes, arguments: bytes = b"") -> tuple[int, bytes]:
    return guest.given("proxy_call_foreign_function", *guest.put(name), *guest.put(arguments))


def test_the_module_calls_the_host() -> None:
    def configure(guest: Guest, *_: int) -> None:
        assert call(guest, b"reverse", b"abc") == (0, b"cba")
        assert call(guest, b"nothing") == (0, b"")
        assert call(guest, b"unknown")[0] == NOT_FOUND
        assert call(guest, b"refuse")[0] == Status.UNIMPLEMENTED
        assert guest.call("proxy_call_foreign_function", MEMORY, 1, 0, 0, 0, 0) == INVALID_MEMORY
        assert (
            guest.call("proxy_call_foreign_function", *guest.put(b"reverse"), MEMORY, 1, 0, 0)
            == INVALID_MEMORY
        )
        # Results nobody wants need no memory.
        guest.memory.write_u32(REFUSE_MEMORY, 1)
        assert (
            guest.call("proxy_call_foreign_function", *guest.put(b"reverse"), *guest.put(b"abc"), 0, 0) == 0
        )
        assert call(guest, b"reverse", b"abc")[0] == INVALID_MEMORY

    def refuse(_arguments: bytes) -> bytes:
        raise HostCallFailed(Status.UNIMPLEMENTED)

    probe = Probe(configure=configure)
    probe.host.foreign_functions |= {
        "reverse": lambda arguments: arguments[::-1],
        "nothing": lambda _arguments: None,
        "refuse": refuse,
    }
    probe.plugin()


def test_the_host_calls_the_module() -> None:
    seen: list[tuple[int, int, bytes]] = []

    def handler(guest: Guest, _root: int, function: int, size: int) -> None:
        seen.append((function, size, guest.body(BufferType.FOREIGN_FUNCTION_ARGUMENTS)[1]))

    probe = Probe(foreign_function=handler)
    plugin = probe.plugin()
    plugin.foreign_function(7, b"data")
    plugin.foreign_function(8)
    assert seen == [(7, 4, b"data"), (8, 0, b"")]


def test_functions_of_envoy() -> None:
    def handler(guest: Guest, *_: int) -> None:
        packed = call(guest, b"compress", b"a" * 100)[1]
        assert len(packed) < 50
        assert call(guest, b"uncompress", packed) == (0, b"a" * 100)
        assert call(guest, b"uncompress", b"no zlib")[0] == Status.SERIALIZATION_FAILURE
        assert call(guest, b"clear_route_cache") == (0, b"")

    stream = Probe(request_headers=handler).plugin().http_stream()
    stream.request(GET)
    assert stream.route_cache_cleared == 1

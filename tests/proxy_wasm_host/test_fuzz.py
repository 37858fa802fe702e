"""Whatever numbers a module passes, it gets a status, and the host goes on."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.proxy_wasm_host.probe import GET, HEAP, MEMORY, OK, SCRATCH, Guest, Probe

from proxy_wasm_host import AbiVersion, Status
from proxy_wasm_host._abi import WASI_IMPORTS, env_imports

SIGNATURES = {
    name: signature
    for name, signature in {**env_imports(AbiVersion.V0_2_1), **WASI_IMPORTS}.items()
    if signature.endswith(":i")
}
ERRNO_MAX = 76
NUMBERS = st.one_of(
    st.sampled_from(
        [0, 1, 2, 3, 4, 8, SCRATCH, HEAP, MEMORY - 8, MEMORY - 1, MEMORY, 0x7FFF_FFFF, 0xFFFF_FFFF]
    ),
    st.integers(0, 64),
    st.integers(0, 0xFFFF_FFFF),
)
CALLS = st.sampled_from(sorted(SIGNATURES)).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.tuples(
            *[NUMBERS if letter == "i" else st.integers(0, 2**64 - 1) for letter in SIGNATURES[name][:-2]]
        ),
    )
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(CALLS, min_size=1, max_size=8),
    st.sampled_from(["request_headers", "response_body", "log"]),
    st.booleans(),
)
def test_any_call_with_any_numbers(
    calls: list[tuple[str, tuple[int, ...]]], phase: str, quirks: bool
) -> None:
    answers: list[int] = []

    def handler(guest: Guest, *_: int) -> None:
        answers.extend(guest.call(name, *arguments) for name, arguments in calls)

    probe = Probe(quirks=quirks, on={phase: handler})
    with probe.plugin().http_stream() as stream:
        stream.request(GET)
        if stream.local_response is None and stream.reset is None and stream.upstream.headers is not None:
            stream.response(OK, [b"body"])
    for (name, _), answer in zip(calls, answers, strict=False):
        limit = ERRNO_MAX if name in WASI_IMPORTS else int(Status.UNIMPLEMENTED)
        assert name in ("pthread_equal", "envoy_resolve_dns") or 0 <= answer <= limit
    assert probe.vm.failure is None

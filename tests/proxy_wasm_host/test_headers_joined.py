from __future__ import annotations

from proxy_wasm_host._headers import HeaderMap, Joined

TWICE = [("accept", "a"), ("etag", "1"), ("via", "x"), ("x-own", "1")]


def joined(kind: Joined) -> set[bytes]:
    fields = HeaderMap([*TWICE, *TWICE], joining=kind)
    return {name for name, _ in fields.pairs() if len(fields.get_all(name)) == 1}


def test_repeated_fields_are_joined_as_envoy_does_in_each_direction() -> None:
    assert joined(Joined.REQUEST) == {b"accept", b"via"}
    assert joined(Joined.RESPONSE) == {b"etag", b"via"}
    assert joined(Joined.NONE) == set()


def test_joining_is_a_quirk() -> None:
    assert Joined.REQUEST.on(True) is Joined.REQUEST
    assert Joined.REQUEST.on(False) is Joined.NONE

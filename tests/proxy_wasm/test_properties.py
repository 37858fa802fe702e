from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.proxy_wasm.scripted import ScriptedVm, http_vm, inside

from proxy_wasm import HttpContext, NotFoundError, Properties, ProxyWasmError
from proxy_wasm._properties import _pairs, path_bytes


@pytest.fixture
def vm() -> ScriptedVm:
    vm = http_vm(HttpContext)
    vm.host.properties |= {
        b"source\0address": b"10.0.0.1:5000",
        b"request\0time": struct.pack("<q", 1_700_000_000_123_456_789),
        b"request\0duration": struct.pack("<q", 5_000),
        b"request\0size": struct.pack("<q", -1),
        b"connection\0mtls": b"\1",
        b"route_name": b"",
        b"node\0id": b"\xff",
        b"metadata\0filter_metadata\0envoy.lb\0canary": b"yes",
    }
    return vm


def test_paths_are_dotted_or_in_parts(vm: ScriptedVm) -> None:
    with inside(vm) as stream:
        properties = stream.properties
        assert properties["source.address"] == properties.get(("source", "address")) == b"10.0.0.1:5000"
        assert properties.get_text(("metadata", "filter_metadata", "envoy.lb", "canary")) == "yes"
        assert properties.get("none.such") is None
        assert "none" not in properties
        with pytest.raises(KeyError, match="none"):
            properties["none"]
    assert path_bytes("a.b") == b"a\0b"


def test_each_type_as_envoy_writes_it(vm: ScriptedVm) -> None:
    with inside(vm) as stream:
        properties = stream.properties
        assert (
            properties.get_timestamp("request.time") == properties.request_time == 1_700_000_000_123_456_789
        )
        assert properties.get_duration("request.duration") == properties.request_duration == 5_000
        assert properties.get_int("request.size") == -1
        assert properties.get_bool("connection.mtls") is properties.mtls is True
        assert properties.source_address == "10.0.0.1:5000"
        assert properties.route_name == ""
        assert properties.node_id == "\udcff"
        assert properties.cluster_name is None
        for get in (
            properties.get_int,
            properties.get_bool,
            properties.get_map,
            properties.get_list,
            properties.get_text,
        ):
            assert get("none") is None


def test_the_wrong_type_says_so(vm: ScriptedVm) -> None:
    with inside(vm) as stream:
        with pytest.raises(ProxyWasmError, match=r"'source\.address' is 13 bytes, and an integer is 8 bytes"):
            stream.properties.get_int("source.address")
        with pytest.raises(ProxyWasmError, match="a boolean is one byte"):
            stream.properties.get_bool("source.address")
        with pytest.raises(ProxyWasmError, match="counts and sizes"):
            stream.properties.get_map("source.address")


def test_every_attribute_asks_for_a_path_of_the_same_name(vm: ScriptedVm) -> None:
    attributes = {name: value.path for name, value in vars(Properties).items() if hasattr(value, "path")}
    assert len(attributes) > 20
    for name, path in attributes.items():
        assert path.replace(".", "_").endswith(name)
        with inside(vm) as stream:
            vm.host.properties.clear()
            assert getattr(stream.properties, name) is None


def test_setting(vm: ScriptedVm) -> None:
    with inside(vm) as stream:
        stream.properties.set("my.state", "on")
        assert stream.properties["my.state"] == b"on"
        vm.host.refuse["set_property"] = 1
        with pytest.raises(NotFoundError, match="properties belong to a stream"):
            stream.properties.set("my.state", "off")


def serialised(pairs: list[tuple[bytes, bytes]]) -> bytes:
    sizes = b"".join(struct.pack("<II", len(k), len(v)) for k, v in pairs)
    return struct.pack("<I", len(pairs)) + sizes + b"".join(k + b"\0" + v + b"\0" for k, v in pairs)


def test_the_specification_s_example(vm: ScriptedVm) -> None:
    # The printed bytes are misprints: "1" is 0x31.
    vm.host.properties[b"map"] = serialised([(b"a", b"1"), (b"b", b"22")])
    assert vm.host.properties[b"map"].endswith(b"a\x001\x00b\x0022\x00")
    with inside(vm) as stream:
        assert stream.properties.get_map("map") == [(b"a", b"1"), (b"b", b"22")]
        assert stream.properties.get_list("map") == [b"a", b"b"]


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.tuples(st.binary(), st.binary())))
def test_maps_are_a_round_trip(pairs: list[tuple[bytes, bytes]]) -> None:
    assert _pairs("map", serialised(pairs)) == pairs


@settings(deadline=None)  # a busy machine is no failure
@given(st.binary())
def test_nonsense_is_an_error_of_ours_or_a_map(data: bytes) -> None:
    with suppress(ProxyWasmError):
        assert sum(len(key) + len(value) for key, value in _pairs("map", data)) <= len(data)

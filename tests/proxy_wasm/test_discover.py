from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from proxy_wasm import (
    FailureMode,
    HttpContext,
    PluginContext,
    PluginDiscoveryError,
    ProxyWasmError,
    TcpContext,
)
from proxy_wasm._discover import find_plugin


def module(source: str, name: str = "filter", **names: Any) -> ModuleType:
    made = ModuleType(name)
    made.__dict__.update(
        HttpContext=HttpContext,
        TcpContext=TcpContext,
        PluginContext=PluginContext,
        FailureMode=FailureMode,
        **names,
    )
    exec(source, made.__dict__)  # noqa: S102 - a filter's source, as a test states it
    return made


def test_a_file_with_one_stream_class_is_a_filter() -> None:
    filter_module = module("class A(HttpContext):\n failure_mode = FailureMode.OPEN")
    plugin = find_plugin(filter_module)
    assert issubclass(plugin, PluginContext)
    assert plugin.http_context is filter_module.A
    assert plugin.tcp_context is None
    assert plugin.failure_mode is FailureMode.OPEN
    assert plugin.__name__ == "APlugin"
    assert plugin.__module__ == "filter"


def test_one_http_and_one_tcp_class_make_one_plugin() -> None:
    filter_module = module("class A(HttpContext): ...\nclass B(TcpContext): ...")
    plugin = find_plugin(filter_module)
    assert (plugin.http_context, plugin.tcp_context) == (filter_module.A, filter_module.B)


def test_prepare_of_a_stream_class_is_that_of_its_plugin() -> None:
    filter_module = module("class A(HttpContext):\n @classmethod\n def prepare(cls): cls.ready = True")
    find_plugin(filter_module).prepare()
    assert filter_module.A.ready
    PluginContext.prepare()


def test_the_one_plugin_is_the_plugin() -> None:
    filter_module = module(
        "class A(HttpContext): ...\nclass P(PluginContext):\n http_context = A\nclass B(HttpContext): ..."
    )
    assert find_plugin(filter_module) is filter_module.P


def test_a_plugin_that_names_no_stream_class_gets_the_module_s() -> None:
    filter_module = module("class P(PluginContext): ...\nclass A(HttpContext): ...\nclass T(TcpContext): ...")
    plugin = find_plugin(filter_module)
    assert issubclass(plugin, filter_module.P)
    assert (plugin.http_context, plugin.tcp_context) == (filter_module.A, filter_module.T)
    assert plugin.__qualname__ == "P"
    with pytest.raises(
        PluginDiscoveryError, match="P names no stream class, and there are several: set http_context = A"
    ):
        find_plugin(
            module("class P(PluginContext): ...\nclass A(HttpContext): ...\nclass B(HttpContext): ...")
        )


def test_a_plugin_that_makes_its_streams_is_left_alone() -> None:
    filter_module = module(
        "class P(PluginContext):\n def create_http_context(self): ...\nclass A(HttpContext): ...\nclass B(HttpContext): ..."
    )
    assert find_plugin(filter_module) is filter_module.P


def test_a_named_class() -> None:
    filter_module = module(
        "class A(HttpContext): ...\nclass B(HttpContext): ...\nclass P(PluginContext):\n http_context = A"
    )
    assert find_plugin(filter_module, "P") is filter_module.P
    assert find_plugin(filter_module, "B").http_context is filter_module.B
    with pytest.raises(
        PluginDiscoveryError, match="filter:X is no PluginContext, HttpContext or TcpContext; it has: A, B, P"
    ):
        find_plugin(filter_module, "X")


def test_base_classes_of_others_do_not_count() -> None:
    filter_module = module("class Base(HttpContext): ...\nclass A(Base): ...")
    assert find_plugin(filter_module).http_context is filter_module.A


def test_imported_classes_count_only_if_there_are_no_others() -> None:
    other = module("class A(HttpContext): ...", "elsewhere")
    assert find_plugin(module("", A=other.A, Also=other.A)).http_context is other.A
    own = module("class B(HttpContext): ...", A=other.A)
    assert find_plugin(own).http_context is own.B
    inner = module("class C(HttpContext): ...", "pack.inner")
    assert find_plugin(module("", "pack", A=other.A, C=inner.C)).http_context is inner.C


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "filter has no filter in it: derive a class from HttpContext"),
        (
            "class A(HttpContext): ...\nclass B(HttpContext): ...",
            r"several filters in it \(A, B\): name one, filter:A",
        ),
        ("class P(PluginContext): ...\nclass Q(PluginContext): ...", r"\(P, Q\): name one, filter:P"),
    ],
)
def test_what_does_not_lead_to_one_class_says_what_would(source: str, message: str) -> None:
    with pytest.raises(PluginDiscoveryError, match=message) as caught:
        find_plugin(module(source))
    assert isinstance(caught.value, ProxyWasmError)

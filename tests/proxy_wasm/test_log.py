from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from tests.proxy_wasm.scripted import STREAM, ScriptedVm, http_vm, inside

from proxy_wasm import HttpContext, LogLevel, log
from proxy_wasm.logging import ProxyLogHandler, install, proxy_level

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def vm() -> ScriptedVm:
    return http_vm(HttpContext)


def test_levels(vm: ScriptedVm) -> None:
    with inside(vm):
        for function in (log.trace, log.debug, log.info, log.warn, log.error, log.critical):
            function("x")
        log.log(LogLevel.INFO, b"raw")
    assert vm.host.logs == [(0, "x"), (1, "x"), (2, "x"), (3, "x"), (4, "x"), (5, "x"), (2, "raw")]


def test_templates_are_filled_in_only_if_they_are_logged(vm: ScriptedVm) -> None:
    class Dear:
        def __str__(self) -> str:
            raise AssertionError("not asked for")

    vm.host.level = 3
    with inside(vm):
        log.info("%s", Dear())
        log.warn("%d of %s", 1, "2")
        assert log.enabled(LogLevel.WARN)
        assert not log.enabled(LogLevel.INFO)
        assert log.get_log_level() is LogLevel.WARN
    assert vm.host.logs == [(3, "1 of 2")]


def test_any_text_can_be_logged(vm: ScriptedVm) -> None:
    with inside(vm):
        log.info("100% \udcff é")
    assert vm.host.logs == [(2, "100% \\udcff é")]


def test_a_handled_exception(vm: ScriptedVm) -> None:
    with inside(vm):
        try:
            int("x")
        except ValueError as error:
            log.exception("ignored", error)
    assert vm.host.logs[0][1].startswith("ignored\nTraceback (most recent call last):\n")


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("filter")
    logger.propagate = False
    yield logger
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


def test_the_standard_library_s_logging_says_where_it_comes_from(
    vm: ScriptedVm, logger: logging.Logger
) -> None:
    vm.host.properties |= {b"plugin_name": b"auth", b"request\0id": b"4f8c"}
    with inside(vm):
        install(logging.INFO, logger)
        logger.debug("no")
        logger.warning("hello %s", "you")
        try:
            int("x")
        except ValueError:
            logger.exception("failed")
    with inside(vm) as stream:
        vm.plugin.make_effective()
        logger.critical("plugin")
        assert stream.context_id == STREAM
    (warning, text), (error, trace), (critical, plugin) = vm.host.logs
    assert (warning, text) == (3, "[plugin=auth request=4f8c context=2] filter: hello you")
    assert error == 4
    assert trace.startswith(
        "[plugin=auth request=4f8c context=2] filter: failed\nTraceback (most recent call last):\n  File"
    )
    assert trace.endswith("ValueError: invalid literal for int() with base 10: 'x'")
    assert (critical, plugin) == (5, "[plugin=auth context=1] filter: plugin")


@pytest.mark.parametrize(
    ("host_level", "logged"), [(0, ["d", "i", "e"]), (2, ["i", "e"]), (4, ["e"]), (5, [])]
)
def test_the_host_s_level_holds_unless_told_otherwise(
    vm: ScriptedVm, logger: logging.Logger, host_level: int, logged: list[str]
) -> None:
    vm.host.level = host_level
    with inside(vm):
        install(logger=logger)
        logger.debug("d")
        logger.info("i")
        logger.error("e")
    assert [line[-1] for _, line in vm.host.logs] == logged


def test_a_line_outside_any_callback_has_no_prefix_to_give() -> None:
    assert proxy_level(5) is LogLevel.TRACE
    assert proxy_level(100) is LogLevel.CRITICAL
    handler = ProxyLogHandler()
    record = logging.LogRecord("n", logging.INFO, "", 1, "m", None, None)
    assert handler.format(record) == "[] n: m"

"""Envoy with one filter, or none, in front of an upstream or an empty answer of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from bench.upstream import free_port
from leaksignal_wasm.envoy import EnvoyProcess
from leaksignal_wasm.envoy_config import (
    FailurePolicy,
    WasmPlugin,
    bootstrap,
    cluster,
    direct_response,
    http_listener,
    http_wasm_filter,
    route,
)
from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

_BUFFER = 1 << 20
_START_TIMEOUT = 120.0
_PROBE = b"GET %s HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to measure: a name for the table and the module, or none for Envoy alone."""

    name: str
    module: Path | None = None
    configuration: str | None = None


@dataclass(slots=True)
class Gateway:
    """An Envoy that serves a subject while the context lasts."""

    subject: Subject
    upstream: int | None = None
    """A port of this machine; None lets Envoy answer 200 without a body itself."""
    concurrency: int = 1
    path: str = "/empty.json"
    """What is asked for until the first 200 comes."""
    first_answer: float = 0.0
    """Seconds from the start of the process to the first 200."""
    port: int = field(default_factory=free_port)
    _envoy: EnvoyProcess | None = None

    def __enter__(self) -> Self:
        envoy = EnvoyProcess(
            self._bootstrap(),
            concurrency=self.concurrency,
            log_level="error",
            component_log_levels={},
            start_timeout=_START_TIMEOUT,
        )
        probe = _Probe(self.port, self.path)
        began = time.perf_counter()
        probe.start()
        try:
            envoy.start()
            self.first_answer = probe.answered() - began
        except BaseException:
            envoy.stop()
            raise
        finally:
            probe.stop()
        self._envoy = envoy
        return self

    def __exit__(self, *_: object) -> None:
        self.envoy.stop()

    @property
    def envoy(self) -> EnvoyProcess:
        """The running process."""
        if self._envoy is None:
            raise RuntimeError("the gateway is used as a context manager")
        return self._envoy

    def _bootstrap(self) -> dict[str, object]:
        filters = []
        if self.subject.module is not None:
            plugin = WasmPlugin(
                self.subject.module,
                configuration=self.subject.configuration,
                # A filter that fails must not look like a quick one.
                failure_policy=FailurePolicy.FAIL_CLOSED,
            )
            filters = [http_wasm_filter(plugin)]
        routes = [direct_response() if self.upstream is None else route("upstream")]
        clusters = []
        if self.upstream is not None:
            clusters = [cluster("upstream", "127.0.0.1", self.upstream, buffer_limit=_BUFFER)]
        listener = http_listener(routes=routes, filters=filters, port=self.port, buffer_limit=_BUFFER)
        return bootstrap(listeners=[listener], clusters=clusters)


class _Probe(threading.Thread):
    """Asks a port for its first 200, every millisecond, on a thread beside the one that waits for Envoy."""

    def __init__(self, port: int, path: str) -> None:
        super().__init__(name="bench-probe", daemon=True)
        self._port = port
        self._request = _PROBE % path.encode("ascii")
        self._done = threading.Event()
        self._answer: float | None = None

    def run(self) -> None:
        while not self._done.is_set():
            if self._asked():
                self._answer = time.perf_counter()
                self._done.set()
            else:
                time.sleep(0.001)

    def answered(self) -> float:
        """Return the time of the first answer, and wait for it."""
        self._done.wait(_START_TIMEOUT)
        if self._answer is None:
            raise UserError("Envoy runs but does not answer 200", where=f"port {self._port}")
        return self._answer

    def stop(self) -> None:
        self._done.set()
        self.join()

    def _asked(self) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection,
        ):
            connection.sendall(self._request)
            return connection.recv(64).startswith(b"HTTP/1.1 200")
        return False

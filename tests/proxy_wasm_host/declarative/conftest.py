from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from proxy_wasm_host.declarative import load_tests, run_case
from proxy_wasm_host.target import load_target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILTER = """
import json
from proxy_wasm import Action, Counter, HttpContext, PluginContext, get_current_time_nanoseconds, log

REQUESTS = Counter("requests")


class Filter(HttpContext):
    async def on_request_headers(self, num_headers, end_of_stream):
        headers = self.request_headers
        path = headers.text[":path"]
        REQUESTS.increment()
        log.info(f"{headers.text[':method']} {path}")
        headers["x-time"] = str(get_current_time_nanoseconds() // 10**9)
        headers["x-where"] = self.properties.get_str("node.id") if hasattr(self.properties, "get_str") else ""
        if path == "/no":
            self.send_response(403, body=b"no", details="by_rule")
        elif path.startswith("/ask"):
            answer = await self.http_call("auth", path="/check" + path, headers=[("x-key", "k")], body=b"q")
            headers["x-auth"] = f"{answer.status} {answer.body.decode()}" if answer.status else "failed"
        elif path == "/hang":
            return Action.PAUSE

    def on_request_body(self, body_size, end_of_stream):
        self.request_body.append(b"|")

    def on_response_body(self, body_size, end_of_stream):
        log.debug(f"body {body_size} {end_of_stream}")
        return Action.CONTINUE if end_of_stream else Action.PAUSE

    def on_response_trailers(self, num_trailers):
        self.response_trailers["x-sum"] = "1"


class Plugin(PluginContext):
    http_context = Filter

    def on_configure(self, configuration):
        if configuration == b"bad":
            raise ValueError("a bad configuration")
        log.info(f"configured with {configuration.decode()}")
"""


@pytest.fixture
def filter_file(tmp_path: Path) -> Path:
    file = tmp_path / "filter.py"
    file.write_text(FILTER)
    return file


@pytest.fixture
def problems(filter_file: Path) -> Callable[[str], list[str]]:
    """Run a file's one test; returns what did not hold, without the file's name."""

    def run(text: str) -> list[str]:
        file = filter_file.with_name("t.wasmtest.yaml")
        file.write_text("filter: filter.py\ntests:\n- name: it\n" + indented(text))
        (case,) = load_tests(file)
        assert case.filter is not None
        result = run_case(case, load_target(case.filter))
        return [str(problem).replace(str(file), "FILE") for problem in result.problems]

    return run


def indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in dedent(text).strip().splitlines())

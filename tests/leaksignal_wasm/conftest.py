from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leaksignal_wasm.builder import build

if TYPE_CHECKING:
    from pathlib import Path

# A filter that touches both directions, answers by itself, logs and counts: what replays are compared with.
PROBE = """
from proxy_wasm import Action, Counter, HttpContext, log

SEEN = Counter("replay.seen")


class Probe(HttpContext):
    def on_request_headers(self, num_headers, end_of_stream):
        SEEN.increment()
        path = self.request_headers.text[":path"]
        log.info(f"saw {path}")
        if path.startswith("/forbidden"):
            self.send_response(403, headers=[("x-why", "path")], body=b"not here")
            return Action.PAUSE
        self.request_headers["x-seen"] = "by the filter"
        self.request_headers.remove("cookie")
        self.request_headers.remove("content-length")

    def on_request_body(self, body_size, end_of_stream):
        if not end_of_stream:
            return Action.PAUSE
        self.request_body.append(b"<end of request>")

    def on_response_headers(self, num_headers, end_of_stream):
        self.response_headers.remove("content-length")
        self.response_headers.add("x-answered", "yes")

    def on_response_body(self, body_size, end_of_stream):
        body = self.response_body.read()
        self.response_body.replace(body.replace(b"script", b"SCRIPT"))

    def on_response_trailers(self, num_trailers):
        self.response_trailers["x-sum"] = "0"
"""


@pytest.fixture(scope="session")
def probe_filter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The probe's Python file."""
    file = tmp_path_factory.mktemp("probe") / "probe.py"
    file.write_text(PROBE)
    return file


@pytest.fixture(scope="session")
def probe_module(probe_filter: Path) -> Path:
    """The probe, built."""
    output = probe_filter.with_suffix(".wasm")
    build(str(probe_filter), output=output)
    return output

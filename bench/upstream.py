"""nginx with fixed files on loopback: an upstream that costs little and always answers the same."""

from __future__ import annotations

import contextlib
import secrets
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.load import find
from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_START_SECONDS = 10.0

_CONFIG = """\
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; gzip off; open_file_cache max=100;
  types {{ application/json json; text/plain txt; }}
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{ listen 127.0.0.1:{port}; root {folder}/files; }}
}}
"""


@contextlib.contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[int]:
    """Serve `files` (name to content) while the context lasts; gives the port."""
    with tempfile.TemporaryDirectory(prefix="leaksignal-bench-") as name:
        folder, port = Path(name), free_port()
        (folder / "files").mkdir()
        for file, content in files.items():
            (folder / "files" / file).write_bytes(content)
        config = folder / "nginx.conf"
        config.write_text(_CONFIG.format(folder=folder, port=port), encoding="ascii")
        command = [find("nginx"), "-c", str(config), "-p", name, "-e", str(folder / "error.log")]
        process = subprocess.Popen(command)
        try:
            _wait_until_open(port, process)
            yield port
        finally:
            process.terminate()
            process.wait()


_PORTS = range(20_000, 32_000)
"""Below the ports that systems hand to clients: seconds pass before Envoy binds, and connections come and go."""


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    for _ in _PORTS:
        port = secrets.choice(_PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise UserError("there is no free port", where=f"127.0.0.1, {_PORTS.start} to {_PORTS.stop}")


def _wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.01)
    raise UserError("nginx did not start", where=f"port {port}")

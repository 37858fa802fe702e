"""nginx with fixed files on loopback: an upstream that costs little and always answers the same."""

from __future__ import annotations

import contextlib
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


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.01)
    raise UserError("nginx did not start", where=f"port {port}")

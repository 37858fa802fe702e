"""A watchman that ends Envoy if this process dies without having stopped it, by SIGKILL for instance."""

from __future__ import annotations

import subprocess

# A line on stdin means that Envoy has been stopped; the end of stdin, that this process is no more.
_SCRIPT = 'read -r _ || kill -KILL "-$1" 2>/dev/null'


class Guard:
    """Watches over the process group `group`."""

    def __init__(self, group: int) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "envoy-guard", str(group)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """End the watch; the group is left as it is."""
        try:
            self._shell.communicate(b"\n", timeout=10)
        except subprocess.TimeoutExpired:
            self._shell.kill()
            self._shell.communicate()

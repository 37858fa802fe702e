"""One running Envoy."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from leaksignal_wasm.envoy import _proc
from leaksignal_wasm.envoy._admin import Admin
from leaksignal_wasm.envoy._explain import explain
from leaksignal_wasm.envoy._find import EnvoyBinary, find_envoy
from leaksignal_wasm.envoy._guard import Guard
from leaksignal_wasm.envoy._log import LOG_FORMAT, LogFollower, LogLine
from leaksignal_wasm.envoy._xds import ListenerFile
from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

_T = TypeVar("_T")

_POLL = 0.02  # seconds
_LDS = r"^listener_manager\.lds\.update_(success|rejected|failure)$"


class EnvoyProcess:
    """A context manager that starts Envoy with `bootstrap`, waits until it serves, and always stops it.

    Listeners may bind port 0: `port("ingress")` tells which one they got. The admin interface gets a free
    port unless the bootstrap names one.

    Parameters
    ----------
    bootstrap: the configuration as a dict (`leaksignal_wasm.envoy_config` builds them).
    concurrency: worker threads.
    binary: which Envoy; found by `find_envoy(func_e=func_e)` if not given.
    reloadable: serve the listeners by file, so that `reload` can change them while Envoy runs.
    log_level, component_log_levels: Envoy's levels: trace, debug, info, warning, error, critical, off.
    env: added to this process's environment.
    work_dir: where configuration and func-e's files go; a temporary folder, removed in the end, if not given.
    start_timeout: seconds to wait until Envoy is ready.
    on_log: called with each log line, on another thread.
    on_progress: called now and then while Envoy starts, with the seconds since.

    """

    def __init__(
        self,
        bootstrap: Mapping[str, Any],
        *,
        concurrency: int = 1,
        binary: EnvoyBinary | None = None,
        func_e: bool = False,
        reloadable: bool = False,
        log_level: str = "warning",
        component_log_levels: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        work_dir: Path | None = None,
        arguments: Sequence[str] = (),
        start_timeout: float = 90.0,
        on_log: Callable[[LogLine], None] | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> None:
        self.binary = binary or find_envoy(func_e=func_e)
        self.concurrency = concurrency
        self.start_seconds = 0.0
        """From the start of the process until it was ready."""
        self._bootstrap = {"admin": {"address": _LOOPBACK_ANY}, **bootstrap}
        self._reloadable = reloadable
        self._levels = (
            log_level,
            component_log_levels if component_log_levels is not None else {"wasm": "info"},
        )
        self._env = dict(env or {})
        self._work_dir = work_dir
        self._own_dir: Path | None = None
        self._arguments = list(arguments)
        self._start_timeout = start_timeout
        self._on_log = on_log
        self._on_progress = on_progress
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: Guard | None = None
        self._log: LogFollower | None = None
        self._admin: Admin | None = None
        self._xds: ListenerFile | None = None
        self._ports: dict[str, tuple[str, int]] = {}
        self._envoy_pid: int | None = None
        self._stopped = False

    # Life

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        died = None if self._stopped else self.returncode
        self.stop()
        if kind is None and died is not None:
            raise explain(f"Envoy ended by itself ({_ending(died)})", self.log_lines())

    def start(self) -> Self:
        """Start Envoy and return when it is ready. Raises UserError with Envoy's own words if it fails."""
        if self._process is not None:
            raise RuntimeError("this Envoy has been started already")
        folder = self._folder()
        try:
            self._launch(folder)
            self._await_ready(folder / "admin-address")
            if self._reloadable:
                self._check_listeners()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self, timeout: float = 10.0) -> None:
        """Stop Envoy: politely, after `timeout` seconds by force. Does nothing if it has been stopped."""
        self._stopped = True
        atexit.unregister(self.stop)
        if self._process is not None and self._process.returncode is None:
            self._end(self._process, timeout)
        if self._guard is not None:
            self._guard.dismiss()
            self._guard = None
        if self._log is not None:
            self._log.join()
        if self._own_dir is not None:
            shutil.rmtree(self._own_dir, ignore_errors=True)
            self._own_dir = None

    @property
    def returncode(self) -> int | None:
        """Envoy's exit code if it has ended (negative: the signal that ended it), else None."""
        return None if self._process is None else self._process.poll()

    def wait(self, timeout: float) -> int | None:
        """Wait for at most `timeout` seconds until Envoy ends by itself; return its exit code, None if it runs on."""
        if self._process is None:
            raise RuntimeError("this Envoy has not been started")
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout)
        return None

    @property
    def pid(self) -> int:
        """Envoy's own process, also when func-e runs it."""
        if self._envoy_pid is None:
            process = self._running()
            self._envoy_pid = process.pid
            if self.binary.func_e is not None:
                self._envoy_pid = next(iter(_proc.children(process.pid)), process.pid)
        return self._envoy_pid

    # Where it listens

    def port(self, listener: str = "ingress") -> int:
        """Return the port that `listener` is bound to."""
        return self._listener(listener)[1]

    def url(self, path: str = "/", listener: str = "ingress") -> str:
        """Return the http URL of `path` at `listener`."""
        host, port = self._listener(listener)
        return f"http://{host}:{port}{path}"

    @property
    def admin(self) -> Admin:
        """Envoy's admin interface."""
        if self._admin is None:
            raise RuntimeError("this Envoy has not been started")
        return self._admin

    @property
    def admin_port(self) -> int:
        """The port of the admin interface."""
        return self.admin.port

    # What it does

    def stats(self, pattern: str | None = None) -> dict[str, int]:
        """Return counters and gauges by name; `pattern` is a regex that must be found in the name."""
        return self._ask(lambda: self.admin.stats(pattern))

    def wait_for_stat(self, name: str, at_least: int = 1, timeout: float = 10.0) -> int:
        """Return the value of a counter or gauge once it is `at_least` so much, else raise TimeoutError."""
        pattern = f"^{re.escape(name)}$"
        value = self._poll(lambda: _reached(self.stats(pattern).get(name, 0), at_least), timeout)
        if value is None:
            raise TimeoutError(
                f"{name} was {self.stats(pattern).get(name)} after {timeout} s, not {at_least}"
            )
        return value

    def rss(self) -> int:
        """Return Envoy's resident memory in bytes."""
        return _proc.rss(self.pid)

    def peak_rss(self) -> int:
        """Return the most resident memory that Envoy has had, in bytes."""
        return _proc.peak_rss(self.pid)

    def cpu_seconds(self) -> float:
        """Return the processor time that Envoy has used."""
        return _proc.cpu_seconds(self.pid)

    # What it says

    def log_lines(self, logger: str | None = None) -> list[LogLine]:
        """Return the log so far; with `logger` only that component's lines (`wasm` is where filters log)."""
        lines = self._log.lines() if self._log is not None else []
        return [line for line in lines if logger is None or line.logger == logger]

    def wait_for_log(
        self, pattern: str | re.Pattern[str], *, since: int = 0, timeout: float = 10.0
    ) -> LogLine:
        """Return the first line whose message has `pattern` (a regex) in it, and wait for it if need be.

        `since` skips so many lines: `len(envoy.log_lines())` at an earlier time. Raises TimeoutError with the
        lines there were instead.
        """
        expression = re.compile(pattern) if isinstance(pattern, str) else pattern
        if self._log is None:
            raise RuntimeError("this Envoy has not been started")
        line = self._log.wait_for(
            lambda entry: bool(expression.search(entry.message)), since=since, timeout=timeout
        )
        if line is None:
            said = "".join(f"\n  {line}" for line in self.log_lines()[since:]) or " nothing"
            raise TimeoutError(
                f"no log line with {expression.pattern!r} within {timeout} s; Envoy said:{said}"
            )
        return line

    # Change

    def reload(self, listeners: Sequence[dict[str, Any]], timeout: float = 60.0) -> None:
        """Replace the listeners of an Envoy that was started `reloadable`, and return once they serve.

        A listener that keeps name and address keeps its port. Raises UserError with Envoy's words if it
        rejects them; the old ones go on then.
        """
        if self._xds is None:
            raise RuntimeError("only an Envoy that was started with reloadable=True can be reloaded")
        said = len(self.log_lines())
        before = self.stats(r"^listener_manager\.")
        self._xds.write(listeners)
        if self._poll(lambda: _reached(self._lds_answers(), _lds_answers(before) + 1), timeout) is None:
            raise explain(
                f"Envoy did not take up its new listeners within {timeout} s", self.log_lines()[said:]
            )
        after = self.stats(r"^listener_manager\.")
        if any(
            after[name] > before.get(name, 0)
            for name in after
            if name.endswith(("rejected", "update_failure"))
        ):
            raise explain("Envoy rejected its new listeners", self.log_lines()[said:])
        if self._poll(lambda: self._settled(before), timeout) is None:
            raise explain(
                f"Envoy's workers did not take up the new listeners within {timeout} s",
                self.log_lines()[said:],
            )
        self._ports = {}

    # Inside

    def _folder(self) -> Path:
        if self._work_dir is not None:
            self._work_dir.mkdir(parents=True, exist_ok=True)
            return self._work_dir.resolve()
        self._own_dir = Path(tempfile.mkdtemp(prefix="leaksignal-envoy-"))
        return self._own_dir

    def _launch(self, folder: Path) -> None:
        if self._reloadable:
            self._xds = ListenerFile(folder)
            self._bootstrap = self._xds.adopt(self._bootstrap)
        config = folder / "envoy.json"  # JSON is YAML, and Envoy reads it as the faster of the two
        config.write_text(json.dumps(self._bootstrap, indent=1), encoding="utf-8")
        (folder / "admin-address").unlink(missing_ok=True)
        level, components = self._levels
        command = [
            *self.binary.command(),
            *("--config-path", str(config)),
            *("--concurrency", str(self.concurrency)),
            *("--admin-address-path", str(folder / "admin-address")),
            "--disable-hot-restart",  # no shared memory region, hence no base id to agree on
            *("--log-level", level),
            *("--log-format", LOG_FORMAT),
            "--log-format-escaped",
            "--reject-unknown-dynamic-fields",  # as it does with static ones anyway
            *("--drain-time-s", "1"),  # after a reload, old listeners linger that long instead of ten minutes
            *self._arguments,
        ]
        if components:
            command += [
                "--component-log-level",
                ",".join(f"{name}:{level}" for name, level in components.items()),
            ]
        self._started = time.monotonic()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **self.binary.environment(folder), **self._env},
                start_new_session=True,  # func-e and Envoy are a group: stopped as one, and no ctrl-C of ours
            )
        except OSError as error:
            raise UserError(f"this Envoy cannot be started: {error.strerror}", where=command[0]) from error
        self._guard = Guard(self._process.pid)
        atexit.register(self.stop)
        if self._process.stdout is None:
            raise AssertionError("a piped process has its stdout")
        self._log = LogFollower(self._process.stdout, self._on_log)

    def _await_ready(self, address_file: Path) -> None:
        shown = self._started
        deadline = self._started + self._start_timeout
        while not self._is_ready(address_file):
            now = time.monotonic()
            if self.returncode is not None:
                self.stop()
                raise explain(
                    f"Envoy did not start ({_ending(self.returncode)})",
                    self.log_lines(),
                    where=str(self.binary),
                )
            if now > deadline:
                raise explain(
                    f"Envoy was not ready after {self._start_timeout:.0f} s",
                    self.log_lines(),
                    where=str(self.binary),
                )
            if self._on_progress is not None and now - shown >= 1:
                shown = now
                self._on_progress(now - self._started)
            time.sleep(_POLL)
        self.start_seconds = time.monotonic() - self._started

    def _is_ready(self, address_file: Path) -> bool:
        if self._admin is None:
            try:
                address = address_file.read_text(encoding="ascii").strip()
            except FileNotFoundError:
                return False
            if ":" not in address:
                return False  # caught between its creation and its writing
            self._admin = Admin(address)
        return self._admin.ready()

    def _check_listeners(self) -> None:
        """Raise if the first listeners were rejected: those by file do not stop Envoy from starting."""
        refused = {
            name: value for name, value in self.stats(_LDS).items() if value and not name.endswith("success")
        }
        if refused:
            raise explain("Envoy rejected its listeners", self.log_lines(), where=str(self.binary))

    def _lds_answers(self) -> int:
        return _lds_answers(self.stats(_LDS))

    def _settled(self, before: Mapping[str, int]) -> bool | None:
        """Return True once every worker has what changed since `before`; None so far."""
        now = self.stats(r"^listener_manager\.")

        def since(name: str) -> int:
            return now.get(f"listener_manager.{name}", 0) - before.get(f"listener_manager.{name}", 0)

        changed = since("listener_added") + since("listener_modified")
        warm = now.get("listener_manager.total_listeners_warming", 0) == 0
        return True if warm and since("listener_create_success") >= changed * self.concurrency else None

    def _listener(self, name: str) -> tuple[str, int]:
        if name not in self._ports:
            self._ports = self._ask(self.admin.listeners)
        try:
            return self._ports[name]
        except KeyError:
            raise KeyError(f"no listener {name!r}; there are {sorted(self._ports)}") from None

    def _ask(self, question: Callable[[], _T]) -> _T:
        try:
            return question()
        except OSError as error:
            if self.returncode is not None:
                raise explain(f"Envoy has ended ({_ending(self.returncode)})", self.log_lines()) from error
            raise

    def _poll(self, question: Callable[[], _T | None], timeout: float) -> _T | None:
        deadline = time.monotonic() + timeout
        while (answer := question()) is None and time.monotonic() < deadline:
            time.sleep(_POLL)
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise UserError("Envoy is not running")
        return self._process

    def _end(self, process: subprocess.Popen[bytes], timeout: float) -> None:
        # func-e answers SIGTERM by killing Envoy outright, so there Envoy itself is asked to end.
        asked = False
        if self.binary.func_e is not None and self._admin is not None:
            with contextlib.suppress(OSError):
                self._admin.quit()
                asked = True
        if not asked:
            process.terminate()
        for force in (signal.SIGTERM, signal.SIGKILL, None):
            try:
                process.wait(timeout)
                break
            except subprocess.TimeoutExpired:
                if force is None:
                    raise
                _signal_group(process.pid, force)
        _signal_group(process.pid, signal.SIGKILL)  # whoever of the group outlived its leader


_LOOPBACK_ANY = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _reached(value: int, least: int) -> int | None:
    return value if value >= least else None


def _lds_answers(stats: Mapping[str, int]) -> int:
    return sum(value for name, value in stats.items() if re.search(_LDS, name))


def _ending(code: int | None) -> str:
    if code is None:
        return "it is still running"
    if code >= 0:
        return f"exit code {code}"
    return f"ended by {signal.Signals(-code).name}"

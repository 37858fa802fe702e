from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from leaksignal_wasm.envoy import EnvoyBinary, EnvoyProcess
from leaksignal_wasm.envoy.testing import Answer, HttpUpstream, request
from leaksignal_wasm.envoy_config import (
    FailurePolicy,
    WasmPlugin,
    bootstrap,
    direct_response,
    http_listener,
    http_wasm_filter,
    proxy,
)
from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def greeter(wat_module: Callable[[str], Path]) -> Path:
    return wat_module("greeter")


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture(params=["directly", "by func-e"])
def either_binary(request: pytest.FixtureRequest, envoy_binary: EnvoyBinary) -> EnvoyBinary:
    if request.param == "directly":
        return envoy_binary
    binary: EnvoyBinary = request.getfixturevalue("func_e_binary")
    return binary


def test_runs_a_module_and_leaves_nothing_behind(
    start_envoy: Any, greeter: Path, upstream: HttpUpstream, either_binary: EnvoyBinary
) -> None:
    upstream.respond = lambda _: Answer(status=201, body=b"made")
    envoy = start_envoy(greeter, configuration={"b": 1, "a": "é"}, binary=either_binary)
    assert request(envoy, "GET", "/x", headers={"x-a": "1"}).body == b"made"
    assert upstream.requests[0].headers["x-a"] == "1"
    assert envoy.wait_for_log(r'configured: \{"b": 1, "a": "é"\}').logger == "wasm"
    line = envoy.wait_for_log("request")
    assert (line.message, line.of_filter) == ('wasm log filter: request\n"é"', 'request\n"é"')
    assert envoy.wait_for_stat("http.ingress.downstream_rq_2xx") == 1
    assert "envoy" in Path(f"/proc/{envoy.pid}/comm").read_text()
    assert 10 << 20 < envoy.rss() <= envoy.peak_rss()
    assert envoy.cpu_seconds() >= 0
    assert envoy.start_seconds > 0
    pid = envoy.pid
    folder = Path(f"/proc/{pid}/cwd").readlink()
    envoy.stop()
    assert not is_running(pid)
    assert not folder.exists()
    envoy.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_envoy_whose_starter_is_killed_ends_too(
    number: signal.Signals, either_binary: EnvoyBinary, tmp_path: Path
) -> None:
    script = tmp_path / "starter.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from leaksignal_wasm.envoy import EnvoyBinary, EnvoyProcess\n"
        "from leaksignal_wasm.envoy_config import proxy\n"
        f"binary = EnvoyBinary(Path({str(either_binary.path)!r}), {str(either_binary.func_e)!r})\n"
        "binary = EnvoyBinary(binary.path, None if binary.func_e == 'None' else Path(binary.func_e))\n"
        "with EnvoyProcess(proxy([], None), binary=binary) as envoy:\n"
        "    print(envoy.pid, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout
        pid = int(starter.stdout.readline())
        ended = os.pidfd_open(pid)
        starter.send_signal(number)
        starter.wait()
    try:
        assert wait_readable(ended)  # a pidfd is readable once its process has ended
    finally:
        os.close(ended)


def wait_readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 20)[0])


def test_histograms_are_read_by_quantile(envoy_binary: EnvoyBinary) -> None:
    config = {**proxy([], None, release_memory=False), "stats_flush_on_admin": True}
    with EnvoyProcess(config, binary=envoy_binary) as envoy:
        request(envoy)
        envoy.wait_for_stat("http.ingress.downstream_rq_completed")
        times = envoy.admin.histograms(r"^http\.ingress\.downstream_rq_time$")
        quantiles = times["http.ingress.downstream_rq_time"]
        assert 0 <= quantiles[50] <= quantiles[99] < 10_000


def test_two_workers_have_a_vm_each(start_envoy: Any, greeter: Path) -> None:
    one, two = start_envoy(greeter), start_envoy(greeter, concurrency=2)
    count = [
        envoy.stats(r"^wasm\.envoy\.wasm\.runtime\.v8\.active$")["wasm.envoy.wasm.runtime.v8.active"]
        for envoy in (one, two)
    ]
    assert count[1] == count[0] + 1


def test_an_occupied_port_is_named(envoy_binary: EnvoyBinary, occupied_port: int) -> None:
    with pytest.raises(UserError, match=rf"port 127\.0\.0\.1:{occupied_port} is taken") as error:
        EnvoyProcess(proxy([], None, port=occupied_port), binary=envoy_binary).start()
    assert "another port" in str(error.value.remedy)


def test_an_occupied_admin_port_is_named(envoy_binary: EnvoyBinary, occupied_port: int) -> None:
    config = bootstrap(listeners=[http_listener(routes=[direct_response()])], admin_port=occupied_port)
    with pytest.raises(UserError, match=rf"{occupied_port} is taken"):
        EnvoyProcess(config, binary=envoy_binary).start()


def test_two_envoys_do_not_share_a_port_unnoticed(start_envoy: Any, envoy_binary: EnvoyBinary) -> None:
    first = start_envoy()
    with pytest.raises(UserError, match="is taken"):
        EnvoyProcess(proxy([], None, port=first.port()), binary=envoy_binary).start()


@pytest.mark.parametrize("reloadable", [False, True])
def test_a_module_with_an_unknown_import_is_explained(
    start_envoy: Any, wat_module: Callable[[str], Path], *, reloadable: bool
) -> None:
    with pytest.raises(UserError, match="proxy_no_such_call") as error:
        start_envoy(wat_module("missing_import"), reloadable=reloadable)
    assert "does not accept the module" in error.value.what


def test_a_module_that_is_none_is_explained(start_envoy: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wasm"
    broken.write_bytes(b"\0asm\1\0\0\0 and then nothing of sense")
    with pytest.raises(UserError, match="does not accept the module"):
        start_envoy(broken)


def test_a_module_that_is_not_there_is_named(start_envoy: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.wasm"):
        start_envoy(tmp_path / "nowhere.wasm")


def test_a_refused_configuration_shows_what_the_module_said(start_envoy: Any, greeter: Path) -> None:
    with pytest.raises(UserError, match="configured: !no"):
        start_envoy(greeter, configuration="!no")


def test_an_unknown_field_is_named(envoy_binary: EnvoyBinary) -> None:
    with pytest.raises(UserError, match="colour") as error:
        EnvoyProcess({**bootstrap(), "colour": "red"}, binary=envoy_binary).start()
    assert "its configuration" in error.value.what


def test_an_envoy_that_dies_while_in_use_is_noticed(envoy_binary: EnvoyBinary) -> None:
    def use() -> None:
        with EnvoyProcess(proxy([], None), binary=envoy_binary) as envoy:
            os.kill(envoy.pid, signal.SIGKILL)
            os.waitid(os.P_PID, envoy.pid, os.WEXITED | os.WNOWAIT)

    with pytest.raises(UserError, match="ended by itself"):
        use()


def test_a_log_line_that_does_not_come_shows_what_came(start_envoy: Any, greeter: Path) -> None:
    envoy = start_envoy(greeter)
    with pytest.raises(TimeoutError, match="configured"):
        envoy.wait_for_log("never", timeout=0.01)


def listener(module: Path, configuration: str) -> dict[str, Any]:
    plugin = WasmPlugin(module, configuration=configuration, failure_policy=FailurePolicy.FAIL_CLOSED)
    return http_listener(routes=[direct_response(configuration)], filters=[http_wasm_filter(plugin)])


def test_a_reload_reaches_every_worker_and_keeps_the_port(greeter: Path, envoy_binary: EnvoyBinary) -> None:
    config = bootstrap(listeners=[listener(greeter, "one")], release_memory=False)
    with EnvoyProcess(config, binary=envoy_binary, concurrency=2, reloadable=True) as envoy:
        port = envoy.port()
        said = len(envoy.log_lines())
        envoy.reload([listener(greeter, "two")])
        envoy.wait_for_log("configured: two", since=said)
        assert {request(envoy).body for _ in range(8)} == {b"two"}
        assert envoy.port() == port


def test_a_rejected_reload_is_explained_and_changes_nothing(greeter: Path, envoy_binary: EnvoyBinary) -> None:
    config = bootstrap(listeners=[listener(greeter, "one")], release_memory=False)
    with EnvoyProcess(config, binary=envoy_binary, reloadable=True) as envoy:
        with pytest.raises(UserError, match="rejected its new listeners"):
            envoy.reload([{**listener(greeter, "two"), "colour": "red"}])
        with pytest.raises(UserError, match="configured: !three"):
            envoy.reload([listener(greeter, "!three")])
        assert request(envoy).body == b"one"
        envoy.reload([listener(greeter, "four")])
        assert request(envoy).body == b"four"


@pytest.mark.parametrize(
    ("policy", "then"),
    [(FailurePolicy.FAIL_OPEN, 200), (FailurePolicy.FAIL_CLOSED, 503), (FailurePolicy.FAIL_RELOAD, 200)],
)
def test_each_failure_policy_does_after_a_trap_what_it_says(
    start_envoy: Any, greeter: Path, policy: FailurePolicy, then: int
) -> None:
    envoy = start_envoy(greeter, failure_policy=policy, reload_backoff=(0.002, 0.002))
    assert request(envoy).status == 200
    request(envoy, "POST", body=b"trap")
    assert re.search("unreachable", envoy.wait_for_log("unreachable").message)
    assert request(envoy).status == then

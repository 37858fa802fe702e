from __future__ import annotations

from tests.shim.guest import Guest, compiled

ALLOWED_WASI = {"clock_time_get", "random_get", "environ_sizes_get", "environ_get"}


def test_imports_are_the_abi_and_four_functions_of_wasi() -> None:
    imports = {(wanted.module, wanted.name) for wanted in compiled().imports}
    assert {name for module, name in imports if module != "env"} == ALLOWED_WASI
    assert all(name and name.startswith("proxy_") for module, name in imports if module == "env")


def test_printed_lines_are_lines_of_the_log(guest: Guest) -> None:
    guest.run(
        "import sys\nprint('a', 'b')\nprint('c\\nd')\nprint('err', file=sys.stderr)\nprint('odd \\udc80')"
    )
    guest.run("print('unfinished', end='')")
    guest.run("print('x' * 5000)")
    assert guest.logs == [
        (2, "a b"),
        (2, "c"),
        (2, "d"),
        (4, "err"),
        (2, "odd \\udc80"),
        (2, "unfinished"),
        (2, "x" * 4096),
        (2, "x" * 904),
    ]


def test_what_is_printed_and_what_is_logged_stay_in_order(guest: Guest) -> None:
    guest.run("import _proxy_wasm\nprint('one', end='')\n_proxy_wasm.log(1, b'two')")
    assert guest.logs == [(2, "one"), (1, "two")]


def test_the_build_knows_no_time_no_chance_and_no_environment(guest: Guest) -> None:
    other = Guest()
    guest.environment["SECRET"] = "x"
    expression = "(time.time(), time.monotonic(), os.urandom(8), dict(os.environ), _proxy_wasm.environ(), random.random())"
    for vm in (guest, other):
        vm.run("import os, random, time, _proxy_wasm")
    seen = guest.value(expression)
    assert seen == other.value(expression)
    assert seen[3:5] == ({}, [])
    assert guest.random == 0


def test_a_running_vm_sees_the_host() -> None:
    guest = Guest()
    guest.run("import os, random, time, uuid, _proxy_wasm")
    guest.seal()
    vms = [guest.fork(), guest.fork()]
    for number, vm in enumerate(vms):
        vm.random = number * 10
        vm.environment = {"A": "1", "B": "x=y", "C": ""}
        vm.clocks = {0: 1_800_000_000_000_000_000 + number, 1: 77_000_000_000}
    chance = [vm.value("(os.urandom(8), uuid.uuid4().hex, len(os.urandom(200_000)))") for vm in vms]
    assert chance[0][0] != chance[1][0]
    assert chance[0][1] != chance[1][1]
    assert chance[0][2] == 200_000
    for number, vm in enumerate(vms):
        assert vm.value("(time.time_ns(), time.monotonic(), time.perf_counter())") == (
            1_800_000_000_000_000_000 + number,
            77.0,
            77.0,
        )
        assert vm.value("_proxy_wasm.environ()") == [(b"A", b"1"), (b"B", b"x=y"), (b"C", b"")]


def test_there_are_no_files_no_processes_no_sockets(guest: Guest) -> None:
    guest.run("""
import os
seen = []
for attempt in (lambda: open('/etc/passwd'), lambda: os.listdir('/'), lambda: os.stat('/'), lambda: os.mkdir('x'),
                lambda: __import__('socket'), lambda: os.unlink('x'), lambda: os.read(0, 1)):
    try:
        attempt()
        seen.append('fine')
    except (OSError, ImportError) as error:
        seen.append('refused')
""")
    assert guest.value("set(seen)") == {"refused"}


def test_a_sealed_vm_compiles_nothing_unless_the_build_kept_the_compiler(guest: Guest) -> None:
    guest.run("""
import ast, collections
kept = eval
code = compile('6 * 7', 'f', 'eval')
def tick(context):
    for attempt in (lambda: kept('1'), lambda: exec('1'), lambda: compile('1', 'f', 'eval'), lambda: ast.parse('1'),
                    lambda: collections.namedtuple('N', 'a')):
        try:
            print('fine', attempt())
        except RuntimeError as error:
            print(error)
    print(eval(code))
import _proxy_wasm
_proxy_wasm.set_callbacks({'proxy_on_tick': tick})
""")
    with_compiler = Guest()
    with_compiler.run("""
import _proxy_wasm
_proxy_wasm.set_callbacks({'proxy_on_tick': lambda context: print(eval('6 * 7'))})""")
    with_compiler.seal(1)
    with_compiler.call("proxy_on_tick", 1)
    assert with_compiler.logs == [(2, "42")]
    guest.seal()
    guest.call("proxy_on_tick", 1)
    texts = [text for _, text in guest.logs]
    assert texts[-1] == "42"
    assert [text.split("(")[0] for text in texts[:-1]] == ["eval", "exec", "compile", "compile", "eval"]
    assert all("do it at import time" in text for text in texts[:-1])


def test_sealing_drops_built_in_modules_that_were_never_imported(guest: Guest) -> None:
    guest.run("import math, sys\ndel sys.modules['math'], math")
    guest.seal()
    kept = guest.value("sys.builtin_module_names")
    assert {"math", "builtins", "sys", "_io", "posix"} <= set(kept)
    assert not {"unicodedata", "_decimal", "re2", "_ast"} & set(kept)
    assert guest.value("__import__('math').sqrt(4)") == 2.0
    assert guest.attempt("import unicodedata") == 1
    assert guest.logs[-1] == (4, "ModuleNotFoundError: No module named 'unicodedata'")


def test_sealing_zeroes_what_was_freed(guest: Guest) -> None:
    marker = b"do not leave this behind"
    guest.run(f"data = [b'{marker.decode()}' * n for n in (1, 5, 50, 5000, 50000)]")
    address = guest.call("ls_malloc", 1000)
    guest.write(address, marker * 41)
    guest.call("ls_free", address)
    guest.run("del data")
    guest.seal()
    assert marker not in guest.read(0, guest.pages() * 65536)


def test_sealing_does_not_grow_the_memory(guest: Guest) -> None:
    before = guest.pages()
    guest.seal()
    assert guest.pages() <= before + 1


def test_the_same_inputs_give_the_same_memory() -> None:
    memories = []
    for _ in range(2):
        guest = Guest()
        guest.run(
            "import json, re, random, logging, time, uuid, dataclasses\nx = {object() for _ in range(100)}"
        )
        guest.seal()
        memories.append(guest.read(0, guest.pages() * 65536))
    assert memories[0] == memories[1]

from __future__ import annotations

import pytest
from tests.shim.guest import Guest

SETUP = """
import copy, functools, json, pickle, re
import _proxy_wasm

def nest(depth, wrap=lambda x: [x]):
    value = []
    for _ in range(depth):
        value = wrap(value)
    return value

def python(n):
    return python(n + 1)

def sub(match):
    return re.sub('a', sub, 'a')

def key(n):
    return max([n, n], key=key)

class Odd:
    def __eq__(self, other):
        return self == other
    def __repr__(self):
        return repr([self])
    def __lt__(self, other):
        return sorted([self, other])[0] is self
    def __call__(self, *_):
        return functools.partial(self)()
    def __getattr__(self, name):
        return getattr(self, name)
    def __reduce__(self):
        return Odd, (Odd(),)
    def __hash__(self):
        return hash((self,))

def generator(n):
    yield from generator(n)
"""

DEEP = [
    "python(0)",
    "json.loads('[' * 100000)",
    "json.loads('{\"a\":' * 100000)",
    "json.dumps(nest(100000))",
    "json.dumps(nest(100000, lambda x: {'a': x}))",
    "json.dumps(Odd(), default=lambda o: Odd())",
    "repr(nest(100000))",
    "repr(nest(100000, lambda x: {'a': x}))",
    "nest(100000) == nest(100000)",
    "pickle.dumps(nest(100000))",
    "pickle.dumps(Odd())",
    "copy.deepcopy(nest(100000))",
    "re.compile('(' * 5000 + ')' * 5000)",
    "sub(None)",
    "key(1)",
    "Odd() == Odd()",
    "repr(Odd())",
    "Odd() < Odd()",
    "Odd()()",
    "Odd().x",
    "hash(Odd())",
    "list(generator(0))",
    "isinstance(1, nest(100000, lambda x: (x,)))",
]


@pytest.fixture(scope="module")
def prepared() -> Guest:
    guest = Guest()
    guest.run(SETUP)
    return guest


@pytest.mark.parametrize("expression", DEEP)
def test_recursion_ends_in_recursion_error(prepared: Guest, expression: str) -> None:
    prepared.run(f"""
try:
    {expression}
    seen = 'fine'
except RecursionError:
    seen = 'RecursionError'
""")
    assert prepared.value("seen") == "RecursionError"


@pytest.mark.parametrize("sealed", [False, True])
def test_c_may_call_python_only_so_deep(sealed: bool) -> None:
    guest = Guest()
    guest.run(SETUP)
    guest.run("""
class Chain:
    def __init__(self, n):
        self.n = n
        self.next = Chain(n - 1) if n else None
    def walk(self):
        yield self.n
        if self.next:
            yield from self.next.walk()
def deepest():
    n = 10
    try:
        while True:
            Chain(n)
            n += 10
    except RecursionError:
        return n
""")
    if sealed:
        guest.seal(1)
    deepest = guest.value("deepest()")
    assert (150 < deepest <= 210) if sealed else (250 < deepest <= 600)
    assert guest.value("sum(Chain(100).walk())") == 5050
    assert guest.value("deepest()") == deepest


def test_a_generator_that_was_too_deep_leaves_nothing_broken(prepared: Guest) -> None:
    prepared.run("""
made = []
def deep(n):
    made.append(n)
    yield from deep(n + 1)
first = deep(0)
try:
    next(first)
except RecursionError as error:
    seen = type(error).__name__
again = list(first)
""")
    assert prepared.value("(seen, again)") == ("RecursionError", [])
    prepared.run("import gc\ndel first\ngc.collect()\nassert list(x for x in range(3)) == [0, 1, 2]")


def test_deep_structures_go_without_recursion(prepared: Guest) -> None:
    prepared.run("nest(200000)\nnest(200000, lambda x: (x,))\nnest(100000, lambda x: {'a': x})")


MEMORY = """
import _proxy_wasm
keep = []
def hoard(context, headers, end):
    while True:
        keep.append(bytearray(100_000))
def hoard_small(context, size, end):
    while True:
        keep.append([len(keep)])
def fine(context):
    keep.clear()
    print('fine', sum(map(len, [b'x' * 1000] * 100)))
def body(context, size, end):
    try:
        return len(_proxy_wasm.get_buffer_bytes(1, 0, size))
    except MemoryError:
        return -2
_proxy_wasm.set_callbacks({
    'proxy_on_request_headers': hoard, 'proxy_on_request_body': hoard_small, 'proxy_on_tick': fine,
    'proxy_on_response_body': body,
})
_proxy_wasm.set_failure_response(1)
"""


def test_out_of_memory_fails_the_stream_and_the_vm_goes_on() -> None:
    guest = Guest(memory_limit=40 << 20)
    guest.run(MEMORY)
    for _ in range(3):
        assert guest.call("proxy_on_request_headers", 1, 1, 1) == 1
        assert guest.call("proxy_on_request_body", 1, 1, 1) == 1
        assert guest.calls[-1][0] in ("proxy_send_local_response", "proxy_log")
        guest.call("proxy_on_tick", 1)
        assert guest.logs[-1] == (2, "fine 100000")
    assert "MemoryError" in {text for _, text in guest.logs}


def test_a_body_larger_than_memory_is_a_memory_error() -> None:
    guest = Guest(memory_limit=24 << 20)
    guest.run(MEMORY)

    def huge(*_: int) -> tuple[int, ...] | int:
        return 0 if guest.call("proxy_on_memory_allocate", 100 << 20) else 6

    guest.script["proxy_get_buffer_bytes"] = huge
    assert guest.call("proxy_on_response_body", 1, 100 << 20, 1) == -2
    guest.script["proxy_get_buffer_bytes"] = (0, b"small")
    assert guest.call("proxy_on_response_body", 1, 5, 1) == 5


def test_memory_is_reused() -> None:
    guest = Guest()
    guest.run("""
import _proxy_wasm
def stream(context):
    data = [bytes(n * 7) for n in range(1000)]
    text = ''.join(str(n) for n in range(10000))
    table = {n: [n] for n in range(2000)}
    grown = []
    for n in range(20000):
        grown.append(n)
_proxy_wasm.set_callbacks({'proxy_on_tick': stream})
""")
    for _ in range(10):
        guest.call("proxy_on_tick", 1)
    before = guest.pages()
    for _ in range(100):
        guest.call("proxy_on_tick", 1)
    assert guest.pages() <= before + 2

"""Each pair: what holds gives no problem, and what does not hold names its place and both values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TCP = """
from proxy_wasm import TcpContext, log


class Lines(TcpContext):
    def on_downstream_data(self, data_size, end_of_stream):
        data = self.downstream_data.read()
        log.info(f"got {data_size}")
        if b"quit" in data:
            self.close_downstream()
        self.downstream_data.replace(data.upper())
"""

HOLDS = {
    "defaults": "expect: {upstream: {method: GET, path: /, authority: test.example}, client: {status: 200, body: ''}}",
    "headers": """
        request: {headers: {X-A: [1, yes], x-b: ''}}
        response: {headers: [[set-cookie, a=1], [set-cookie, b=2]]}
        expect:
          upstream: {headers: {x-a: ['1', yes], x-b: '', x-none: null, x-time: {matches: '^[0-9]+$'}}}
          client: {headers: {set-cookie: [a=1, b=2], x-none: {present: false}}}
        """,
    "raw": """
        request:
          raw: |
            POST /p?q=1 HTTP/1.1
            Host: h.example
            X-A: 1

            body
        response:
          raw: |
            HTTP/1.1 404 Not Found
            x-b: 2

            gone expect: upstream: {method: POST, path: /p?q=1, authority: h.example, headers: {x-a: 1}, body:
            {contains: body}} client: {status: 404, headers: {x-b: 2}, body: "gone\\n"}
        """,
    "chunk plan": """
        request: {method: POST, body: abcdef, chunks: [1, 2]}
        response: {body: abcdef, chunks: 4}
        expect:
          upstream: {body: 'a|bc|def|', chunks: [2, 3, 4]}
          client: {body: abcdef}
          actions: {response_body: [pause, continue], request_body: continue}
        """,
    "chunks one by one": """
        response: {body: [ab, {hex: 00ff}, {base64: AAE=}, {json: {a: 1}}, {text: xy, times: 2}]}
        expect: {client: {body: {size: 18, contains: [ab, xyxy], lacks: abc}}}
        """,
    "trailers": "response: {body: x, trailers: {grpc-status: 0}}\nexpect: {client: {trailers: {grpc-status: 0, x-sum: 1}}}",
    "json body": 'response: {body: \'{"b": [1], "a": null}\'}\nexpect: {client: {body: {json: {a: null, b: [1]}}}}',
    "local response": """
        request: {path: /no}
        expect:
          upstream: null
          client: {status: 403, body: no}
          local_response: {status: 403, body: {contains: n}, details: by_rule}
        """,
    "no local response": "expect: {local_response: false}",
    "logs": """
        request: {path: /log}
        expect:
          logs: [GET /log, {level: info, matches: '^GET'}]
          no_logs: [POST, {level: error}]
        """,
    "metrics": "repeat: 3\nexpect: {metrics: {requests: 3, other: 0}}",
    "clock": "clock: 2024-01-01T00:00:00Z\nexpect: {upstream: {headers: {x-time: 1704067200}}}",
    "steps": """
        clock: 100
        steps:
        - expect: {upstream: {headers: {x-time: 100}}}
        - advance: 2.5
          expect: {upstream: {headers: {x-time: 102}}, metrics: {requests: 1}}
        """,
    "call-outs": """
        request: {path: /ask/1}
        callouts:
          auth:
          - when: {path: /other}
            status: 500
          - when: {path: /check/ask/1, method: GET}
            status: 201
            body: fine
            after: 0.5
        expect:
          upstream: {headers: {x-auth: 201 fine}}
          calls: [{cluster: auth, method: GET, path: /check/ask/1, headers: {x-key: k}, body: q}]
        """,
    "a call-out that fails": "request: {path: /ask}\ncallouts: {auth: {fails: true}}\nexpect: {calls: [{cluster: auth}]}",
    "a call-out that is never answered": """
        request: {path: /ask}
        callouts: {auth: {silent: true}}
        expect: {upstream: {headers: {x-auth: {contains: '504'}}}}
        """,
    "a failure": "request: {path: /hang}\nexpect: {failure: holds the request back}",
    "no answer": "response: null\nexpect: {client: null}",
    "configuration as JSON": "configuration: {a: [1]}\nexpect: {client: {status: 200}}",
    "refused": "configuration: bad\nrefused: a bad configuration",
}


@pytest.mark.parametrize("name", HOLDS)
def test_what_holds(problems: Callable[[str], list[str]], name: str) -> None:
    assert problems(HOLDS[name]) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "expect: {client: {status: 201}}",
            "FILE:4: tests[0].expect.client.status: expected '201', got '200'",
        ),
        ("expect:\n  client:\n    body: x", "FILE:6: tests[0].expect.client.body: expected 'x', got ''"),
        ("expect: {upstream: null}", "expect.upstream: got a message, expected nothing"),
        ("request: {path: /no}\nexpect: {upstream: {path: /}}", "expect.upstream.path: nothing came"),
        ("expect: {upstream: {headers: {x-time: null}}}", "headers.x-time: is there: '1700000000'"),
        ("expect: {client: {headers: {a: b}}}", "headers.a: expected 'b', got none"),
        ("expect: {client: {headers: {a: {contains: b}}}}", "headers.a: is missing"),
        ("response: {body: abc}\nexpect: {client: {body: {size: 2}}}", "expected 2, got 3"),
        ("response: {body: abc}\nexpect: {client: {body: {lacks: [x, b]}}}", "contains 'b'"),
        ("response: {body: abc}\nexpect: {client: {body: {json: 1}}}", "'abc' is not JSON"),
        ("expect: {local_response: true}", "the filter did not answer by itself"),
        ("expect: {actions: {request_headers: pause}}", "expected ['pause'], got ['continue']"),
        ("expect: {logs: [nothing like it]}", "no such log line; the log has\n    info: 'GET /'"),
        ("expect: {no_logs: [GET]}", "was logged: 'GET /'"),
        ("expect: {metrics: {requests: 2}}", "expect.metrics.requests: expected 2, got 1"),
        ("expect: {calls: [{cluster: auth}]}", "expected 1 call-outs, got 0"),
        ("request: {path: /hang}", "tests[0]: the filter holds the request back for ever"),
        ("expect: {failure: trap}", "expected a failure with 'trap', got None"),
        ("configuration: bad", "the filter does not start"),
        ("refused: anything", "the filter started, and should have refused"),
        ("configuration: bad\nrefused: another reason", "refused, but without 'another reason'"),
    ],
)
def test_what_does_not_hold_is_named(problems: Callable[[str], list[str]], text: str, said: str) -> None:
    found = problems(text)
    assert any(said in problem for problem in found), found
    assert all(problem.startswith("FILE:") for problem in found)


def test_every_exchange_of_a_capture_is_held_to_it(
    problems: Callable[[str], list[str]], har_files: dict[str, object]
) -> None:
    capture = har_files["login"]
    assert (
        problems(f"capture: {{file: {capture}, method: POST}}\nexpect: {{upstream: {{method: POST}}}}") == []
    )
    found = problems(
        f"capture: {{file: {capture}, entry: 3}}\nrepeat: 2\nexpect: {{client: {{status: 599}}}}"
    )
    assert len(found) == 2
    assert "(in log.entries[3])" in found[0]


def test_tcp_connections_are_conversations(problems: Callable[[str], list[str]], filter_file: Path) -> None:
    filter_file.write_text(TCP)
    assert (
        problems("""
        tcp: [{client: one}, {upstream: two}, {client: {hex: 7a}}]
        expect:
          upstream: {body: ONEZ, chunks: [3, 1]}
          client: {body: two}
          logs: [got 3]
        """)
        == []
    )
    assert problems("tcp: [{client: quit}, {client: more}]\nexpect: {failure: reset}") == []
    assert any("reset" in problem for problem in problems("tcp: [{client: quit}]"))

"""Tests of a filter as data: YAML files with what comes in, and what upstream, client, log and metrics must see.

    for case in load_tests("greeting.wasmtest.yaml"):
        result = run_case(case, load_target(case.filter))
        assert not result.problems

`docs/testing.md` describes the files; the command `leaksignal-wasm test` and the pytest plugin run them.
"""

from __future__ import annotations

from proxy_wasm_host.declarative.document import TestFileError
from proxy_wasm_host.declarative.model import Case, Step
from proxy_wasm_host.declarative.parse import load_tests
from proxy_wasm_host.declarative.run import Problem, Result, run_case

__all__ = ["Case", "Problem", "Result", "Step", "TestFileError", "load_tests", "run_case"]

"""Finding, starting, watching and stopping Envoy (seam 4 of docs/internals.md)."""

from leaksignal_wasm.envoy._admin import Admin
from leaksignal_wasm.envoy._find import FUNC_E_VERSION, EnvoyBinary, cache_dir, find_envoy
from leaksignal_wasm.envoy._log import LogLine
from leaksignal_wasm.envoy._process import EnvoyProcess
from leaksignal_wasm.envoy._validate import validate

__all__ = [
    "FUNC_E_VERSION",
    "Admin",
    "EnvoyBinary",
    "EnvoyProcess",
    "LogLine",
    "cache_dir",
    "find_envoy",
    "validate",
]

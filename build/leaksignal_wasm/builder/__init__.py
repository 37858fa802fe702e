"""filter.py -> filter.wasm."""

from leaksignal_wasm.builder.pipeline import BuildResult, build

__all__ = ["BuildResult", "build"]

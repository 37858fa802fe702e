"""Puts the built runtime into the wheel, so that installing the wheel needs no compiler."""

from __future__ import annotations

import os
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILES = ("runtime.wasm", "runtime.json", "stdlib.zip")


class RuntimeHook(BuildHookInterface[Any]):
    """Adds the files of the folder that LEAKSIGNAL_WASM_RUNTIME names (`tools/wheel` sets it) to a standard wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill `force_include`; an editable install is left alone, since it finds its runtime in the cache."""
        if version == "editable":
            return
        folder = os.environ.get("LEAKSIGNAL_WASM_RUNTIME")
        if not folder:
            raise RuntimeError(
                "LEAKSIGNAL_WASM_RUNTIME is not set: `make wheel` builds the runtime first, and the wheel with it"
            )
        for name in FILES:
            build_data["force_include"][os.path.join(folder, name)] = f"leaksignal_wasm/_runtime/{name}"

"""Listeners by file: what lets a running Envoy be reconfigured without a control plane."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"


class ListenerFile:
    """A file of listeners in `folder` that Envoy watches (LDS by path_config_source)."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "listeners.json"
        self._version = 0

    def adopt(self, bootstrap: dict[str, Any]) -> dict[str, Any]:
        """Return `bootstrap` with its static listeners moved to the file."""
        static = dict(bootstrap.get("static_resources", {}))
        self.write(static.pop("listeners", ()))
        source = {"path_config_source": {"path": str(self._path)}, "resource_api_version": "V3"}
        dynamic = {**bootstrap.get("dynamic_resources", {}), "lds_config": source}
        node = {"id": "leaksignal-wasm", "cluster": "leaksignal-wasm", **bootstrap.get("node", {})}
        return {**bootstrap, "node": node, "static_resources": static, "dynamic_resources": dynamic}

    def write(self, listeners: Sequence[dict[str, Any]]) -> None:
        """Replace the file's listeners; moved into place, since that is what Envoy watches for."""
        self._version += 1
        resources = [{"@type": _LISTENER, **listener} for listener in listeners]
        answer = {"version_info": str(self._version), "resources": resources}
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps(answer), encoding="utf-8")
        draft.replace(self._path)

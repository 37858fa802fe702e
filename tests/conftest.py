from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def har_files() -> dict[str, Path]:
    """Real captures that others published (`tests/data/captures.toml`), by name."""
    spec = importlib.util.spec_from_file_location("fetch_captures", DATA / "fetch_captures.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    files: dict[str, Path] = module.fetch()
    return files

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.foreign.building import BUILDERS, build

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Foreign:
    language: str
    module: Path


# One worker builds and tests a language, so nothing is built twice.
LANGUAGES = [pytest.param(name, marks=pytest.mark.xdist_group(f"foreign-{name}")) for name in BUILDERS]


@pytest.fixture(scope="session", params=LANGUAGES)
def foreign(request: pytest.FixtureRequest) -> Foreign:
    return Foreign(request.param, build(request.param))

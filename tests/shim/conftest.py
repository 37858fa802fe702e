from __future__ import annotations

import pytest
from tests.shim.guest import Guest


@pytest.fixture
def guest() -> Guest:
    return Guest()

"""What the build put into the module; empty natively, and in a module without data."""

from __future__ import annotations

DATA: dict[str, bytes] = {}
"""By the name that ``build_data`` is asked for."""

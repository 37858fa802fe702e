"""`python -m leaksignal_wasm` is the command line."""

from __future__ import annotations

from leaksignal_wasm.cli import main

main()

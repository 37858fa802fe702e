"""The first thing that happens in a new VM: what was frozen with the snapshot is made fresh.

Environment, random numbers and the like were read while the module was built and would be the same in every
VM of every proxy. Only modules that are loaded are touched.
"""

from __future__ import annotations

import sys

from proxy_wasm._abi import NATIVE, host


def vm_boot() -> None:
    """Refresh the environment and everything random. Natively nothing was frozen, so nothing happens.

    ``random.Random`` objects that a filter made itself at import stay as they were: make them in
    ``on_configure``.
    """
    if not NATIVE:
        refresh(host.environ())


def refresh(environment: list[tuple[bytes, bytes]]) -> None:
    """Make the frozen parts of the standard library fresh, as far as it is loaded."""
    modules = sys.modules
    os = modules.get("os")
    if os is not None:
        os.environ.clear()
        for name, value in environment:
            if name and b"=" not in name:
                os.environ[os.fsdecode(name)] = os.fsdecode(value)
    random = modules.get("random")
    if random is not None:
        random.seed()
    uuid = modules.get("uuid")
    if uuid is not None:
        uuid._node = None  # type: ignore[attr-defined] # uuid1 keeps them between calls
        uuid._last_timestamp = None  # type: ignore[attr-defined] # as above
    logging = modules.get("logging")
    if logging is not None:
        logging._startTime = modules["time"].time()  # type: ignore[attr-defined] # relativeCreated's zero

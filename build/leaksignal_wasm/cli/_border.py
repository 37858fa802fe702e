"""Where errors of the host package become the command line's own."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from leaksignal_wasm.errors import UserError
from proxy_wasm_host import ProxyWasmHostError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def host_errors() -> Iterator[None]:
    """Turn a `ProxyWasmHostError` into a `UserError`."""
    try:
        yield
    except ProxyWasmHostError as error:
        raise UserError(error.what, where=error.where, remedy=error.remedy) from error


def read_configuration(text: str | None) -> bytes | None:
    """Take `TEXT` as it is, or `@FILE` from a file; None stays None."""
    if text is None or not text.startswith("@"):
        return None if text is None else text.encode()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise UserError(f"can't be read: {error.strerror}", where=text[1:]) from None

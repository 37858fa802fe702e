"""Recording real traffic: an Envoy with a tap filter in front of an upstream."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from leaksignal_wasm.envoy._process import EnvoyProcess
from leaksignal_wasm.envoy_config import TapFormat, http_tap, proxy
from leaksignal_wasm.errors import UserError
from proxy_wasm_host.capture import CaptureError, Exchange, Message, NoRequestError, iter_capture

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import TracebackType

    from leaksignal_wasm.envoy_config import Upstream

MAX_BODY: Final = 16 << 20
"""Bytes of one body (whole), or of one chunk, that are kept."""

_MASK: Final = b"*"
_COMPLETED: Final = "http.ingress.downstream_rq_completed"


class Recorder:
    """A context manager: while it is open, what goes through `envoy` is written down, a file a request.

    With `whole` a body is recorded in one piece and with exact times, else chunk by chunk as it passed, and a
    request's time is that of its file when `watch` first saw it. `options` go to EnvoyProcess.

    The files are there until the block is left; `exchanges` reads them once Envoy has been stopped.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        port: int = 0,
        tap_format: TapFormat = TapFormat.PROTO_BINARY_LENGTH_DELIMITED,
        whole: bool = False,
        max_body: int = MAX_BODY,
        **options: Any,
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="leaksignal-capture-"))
        self._first_seen: dict[Path, int] = {}
        tap = http_tap(
            str(self._folder / "tap"), tap_format=tap_format, streaming=not whole, max_body=max_body
        )
        bootstrap = proxy([], upstream, port=port, filters=[tap], http1_trailers=True, release_memory=False)
        self.envoy = EnvoyProcess(bootstrap, **options)

    def __enter__(self) -> Self:
        try:
            self.envoy.start()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.envoy.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def watch(self) -> int:
        """Note the requests that are new, and return how many have been answered so far."""
        self._note()
        return self.envoy.stats(f"^{_COMPLETED}$").get(_COMPLETED, 0)

    def stop(self) -> list[Path]:
        """Stop Envoy, which completes the files, and return them in the order of their requests."""
        self.envoy.stop()
        self._note()
        return list(self._first_seen)

    def exchanges(self, masked: Collection[str] = ()) -> Iterator[Exchange]:
        """Yield what was recorded in the order of the requests; values of the headers `masked` become asterisks.

        Raises UserError if a file is damaged.
        """
        names = {name.lower().encode() for name in masked}
        found = []
        for file in self.stop():
            try:
                recorded = list(iter_capture(file))
            except NoRequestError:
                continue  # TLS sent to a plain port, for instance: Envoy answers 400 by itself
            except CaptureError as error:
                raise UserError(f"Envoy's tap file cannot be read: {error}") from error
            # The file's name is of no use to anybody later, and would be this machine's.
            found += [
                dataclasses.replace(one, started=one.started or self._first_seen[file], source="")
                for one in recorded
            ]
        found.sort(key=lambda exchange: exchange.started or 0)
        for exchange in found:
            yield dataclasses.replace(
                exchange,
                request=_masked(exchange.request, names),
                response=exchange.response and _masked(exchange.response, names),
            )

    def _note(self) -> None:
        new = [file for file in self._folder.iterdir() if file not in self._first_seen]
        for written, file in sorted((file.stat().st_mtime_ns, file) for file in new):
            self._first_seen[file] = written


def _masked(message: Message, names: Collection[bytes]) -> Message:
    """Return `message` with an asterisk for each byte of the values of `names`."""
    headers = tuple((name, _MASK * len(value) if name in names else value) for name, value in message.headers)
    return dataclasses.replace(message, headers=headers)

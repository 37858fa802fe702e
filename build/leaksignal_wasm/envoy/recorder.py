"""Recording real traffic: an Envoy with a tap filter in front of an upstream."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from decimal import Decimal
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

_START: Final = b"x-capture-start"
_MASK: Final = b"*"
_COMPLETED: Final = "http.ingress.downstream_rq_completed"


class Recorder:
    """A context manager: while it is open, what goes through `envoy` is written down, a file a request.

    A body is recorded chunk by chunk as it passed, or with `whole` in one piece and with the response's time
    too. `options` go to EnvoyProcess. The files are there until the block is left.
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
        tap = http_tap(
            str(self._folder / "tap"), tap_format=tap_format, streaming=not whole, max_body=max_body
        )
        bootstrap = proxy(
            [],
            upstream,
            port=port,
            filters=[tap],
            http1_trailers=True,
            start_time_header=_START.decode(),
            release_memory=False,
        )
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

    def answered(self) -> int:
        """Return how many requests have been answered so far."""
        return self.envoy.stats(f"^{_COMPLETED}$").get(_COMPLETED, 0)

    def files(self) -> list[Path]:
        """Stop Envoy, which completes its files, and return them in the order of their requests.

        They hold one header of ours, `x-capture-start`, by which they were put in order.
        """
        return [file for _, file in self._recorded()]

    def exchanges(self, masked: Collection[str] = ()) -> Iterator[Exchange]:
        """Stop Envoy, and yield what was recorded, in order; values of the headers `masked` become asterisks.

        Raises UserError if a file is damaged.
        """
        names = {name.lower().encode() for name in masked}
        for exchange, _ in self._recorded():
            yield dataclasses.replace(
                exchange,
                request=_masked(exchange.request, names),
                response=exchange.response and _masked(exchange.response, names),
            )

    def _recorded(self) -> list[tuple[Exchange, Path]]:
        self.envoy.stop()
        found = []
        for file in self._folder.iterdir():
            try:
                # Envoy writes one request to a file.
                exchange = next(iter(iter_capture(file)))
            except NoRequestError:
                continue  # TLS sent to a plain port, for instance: Envoy answers 400 by itself
            except CaptureError as error:
                raise UserError(f"Envoy's tap file cannot be read: {error}") from error
            found.append((_stamped(exchange), file))
        found.sort(key=lambda pair: (pair[0].started or 0, pair[1].name))
        return found


def _stamped(exchange: Exchange) -> Exchange:
    """Return `exchange` with the start time that its header told, and without that header.

    Its source would be the name of a file that is gone.
    """
    stamp = exchange.request.get(_START)
    headers = tuple(header for header in exchange.request.headers if header[0] != _START)
    return dataclasses.replace(
        exchange,
        request=dataclasses.replace(exchange.request, headers=headers),
        started=int(Decimal(stamp.decode()) * 10**9) if stamp else exchange.started,
        source="",
    )


def _masked(message: Message, names: Collection[bytes]) -> Message:
    """Return `message` with an asterisk for each byte of the values of `names`."""
    headers = tuple((name, _MASK * len(value) if name in names else value) for name, value in message.headers)
    return dataclasses.replace(message, headers=headers)

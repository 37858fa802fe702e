"""One module for each thing to measure; `bench.goals.GOALS` has them by name, in the order of the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.goals import bodies, build, callbacks, memory, replay, request, size, soak, start

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.figures import Figure
    from bench.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Goal:
    """A measurement by name."""

    measure: Callable[[Workshop], list[Figure]]
    about: str
    by_default: bool = True


GOALS = {
    "size": Goal(size.measure, "the finished module, plain and compressed"),
    "build": Goal(build.measure, "`leaksignal-wasm build`, runtime built and filter built once before"),
    "start": Goal(start.measure, "Envoy from its start to the first answer"),
    "memory": Goal(memory.measure, "Envoy's resident memory, for one worker and for each further one"),
    "request": Goal(request.measure, "processor time of an empty request"),
    "soak": Goal(soak.measure, "a million requests: memory and errors"),
    "replay": Goal(replay.measure, "streams a second in the host, without Envoy"),
    "callbacks": Goal(callbacks.measure, "what single operations cost inside Envoy", by_default=False),
    "bodies": Goal(bodies.measure, "response bodies of all sizes, with the Rust peers", by_default=False),
}

"""A series as a chart of block characters, for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

HEIGHT = 4
_BLOCKS = " ▁▂▃▄▅▆▇█"
_STEPS = len(_BLOCKS) - 1


def lines_of(time_ns: Sequence[int], values: Sequence[float], width: int) -> Iterator[str]:
    """HEIGHT lines of at most `width` columns, for one value or more with ascending times.

    The least value is the lowest block, the greatest fills the height. A column is the mean of its values, and empty if
    there is none.
    """
    columns = _columns(time_ns, values, width)
    known = [level for level in columns if level is not None]
    low, span = min(known), max(known) - min(known)
    heights = [
        0 if level is None else 1 + round((level - low) / span * (HEIGHT * _STEPS - 1)) if span else _STEPS
        for level in columns
    ]
    for below in range((HEIGHT - 1) * _STEPS, -1, -_STEPS):
        yield "".join(_BLOCKS[min(_STEPS, max(0, height - below))] for height in heights)


def _columns(time_ns: Sequence[int], values: Sequence[float], width: int) -> list[float | None]:
    """The mean in each column: one for each of the shortest steps between two times if there is room, else `width`."""
    span_ns = time_ns[-1] - time_ns[0]
    step_ns = min((late - early for early, late in pairwise(time_ns)), default=1)
    count = min(width, span_ns // step_ns + 1)
    parts: list[list[float]] = [[] for _ in range(count)]
    for at, value in zip(time_ns, values, strict=True):
        parts[(at - time_ns[0]) * count // (span_ns + step_ns)].append(value)
    return [math.fsum(part) / len(part) if part else None for part in parts]

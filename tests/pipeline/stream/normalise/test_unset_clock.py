"""Readings with a time of their own are taken however far ahead, while the host's clock has not been set."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from normalise_frames import STREAM, frame

from pipeline.log.dead_letter import Reason
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.normalise.routes import Route, TimeField, TimeUnit
from pipeline.stream.normalise.templates import TopicTemplate
from store.host_time import WRITTEN_NS
from store.record import SeriesRegistry

ROUTE = Route("d", "t", TopicTemplate("#"), time=TimeField("ts", TimeUnit.NS), future_ns=100, late_ns=1_000)


@pytest.mark.parametrize("other", [{}, {"a": "not fast"}])
@pytest.mark.parametrize(
    ("arrival_ns", "reasons"), [(WRITTEN_NS, [Reason.TOO_FAR_AHEAD]), (WRITTEN_NS - 1, []), (40, [])]
)
def test_nothing_is_too_far_ahead_of_a_clock_that_is_not_set(
    arrival_ns: int, reasons: list[Reason], other: dict[str, Any]
) -> None:
    payload = orjson.dumps({"ts": WRITTEN_NS + 10**15, "t": 1.5, **other})
    normaliser = Normaliser([ROUTE], SeriesRegistry(), STREAM)

    found = normaliser.normalise(frame(("default", "a/b", payload), arrival_ns=arrival_ns), 0)

    assert [letter.reason for letter in found.dead_letters] == reasons
    assert sum(len(batch) for batch in found.batches) == 1 - len(reasons)

"""Names that a device invents cost about as much as other messages. Costs are counted as calls, not as time."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from normalise_frames import EVERYTHING, STREAM, encoded, frame

from pipeline.log.frame import Frame
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.normalise.table_work import SMALL_GROUP
from store.catalog.limits import Limits
from store.record import SeriesRegistry


@contextmanager
def counted_calls() -> Iterator[list[int]]:
    """The number of calls of functions, in Python and in C, in this block."""
    count = [0]

    def note(_frame: Any, event: str, _argument: Any) -> None:
        count[0] += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield count
    finally:
        sys.setprofile(before)


def frame_of(bodies: list[dict[str, Any]]) -> Frame:
    return frame(*[("default", "site/device", encoded(body)) for body in bodies])


def ever_new(count: int, first: int) -> list[dict[str, Any]]:
    """Messages of ever new names, each name once."""
    return [{f"k{first + number}": 1.5} for number in range(count)]


def many_shapes(count: int, _first: int) -> list[dict[str, Any]]:
    """Messages of a few known names in ever other shapes."""
    return [{f"m{number % 301}": 1.5, f"n{number % 307}": 2.5} for number in range(count)]


def new_groups(count: int, _first: int) -> list[dict[str, Any]]:
    """New names, as many as fit, in groups that wait for their types."""
    return [{f"k{number // SMALL_GROUP}": 1.5} for number in range(count)]


@pytest.mark.parametrize("bodies", [ever_new, many_shapes, new_groups])
def test_twice_the_messages_cost_twice_as_much(bodies: Any) -> None:
    counts = []
    for number in (1_000, 2_000):
        normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM)
        with counted_calls() as calls:
            normalised = normaliser.normalise(frame_of(bodies(number, 0)), 0)
        counts.append(calls[0])

        assert len(normalised.batches[0]) == number
    assert counts[1] < 2.5 * counts[0]


def test_without_a_free_column_a_new_name_costs_like_a_known_one() -> None:
    normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM, limits=Limits(measures=50))
    normaliser.normalise(frame_of([{f"n{number}": 1.5} for number in range(20)] + ever_new(200, 0)), 0)
    costs = []
    for offset, bodies in enumerate(([{f"n{number % 10}": 1.5} for number in range(60)], ever_new(60, 1_000)), 1):
        with counted_calls() as calls:
            normaliser.normalise(frame_of(bodies), offset)
        costs.append(calls[0])

    assert costs[1] < 2 * costs[0]

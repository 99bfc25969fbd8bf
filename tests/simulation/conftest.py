"""Which seeds are simulated: as many as the lane allows, or the one that is asked for, with everything it logs."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.simulation import edges
from tests.simulation.plants import PLANTS

SEEDS = {10: 20, 100: 400, 1_000: 100_000}
"""By the number of examples of the lane: `make check`, `make test`, `make soak`."""

PLANTS_ONE_IN = {10: 10}
"""Of the planted faults this part is looked for; elsewhere all."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The seeds in parts, so that processes share them and show how far they are; and the planted faults."""
    lane = settings().max_examples
    option = metafunc.config.getoption
    if "seeds" in metafunc.fixturenames:
        asked = option("--simulation-seed")
        first, count = option("--simulation-from"), option("--simulation-seeds") or SEEDS.get(lane, 400)
        seeds = range(first, first + count) if asked is None else range(asked, asked + 1)
        size = min(500, -(-len(seeds) // 20))
        parts = [seeds[at : at + size] for at in range(0, len(seeds), size)]
        metafunc.parametrize("seeds", parts, ids=lambda part: f"{part[0]}-{part[-1]}")
    if "plant" in metafunc.fixturenames:
        metafunc.parametrize("plant", PLANTS[:: PLANTS_ONE_IN.get(lane, 1)], ids=lambda plant: plant.name)


@pytest.fixture(scope="session", autouse=True)
def _home() -> Iterator[None]:
    yield
    edges.leave()


@pytest.fixture(scope="module", autouse=True)
def _collects_worlds_only() -> None:
    """What was there before is not looked at again, each time that worlds are collected: it takes 0.1 s."""
    gc.collect()
    gc.freeze()

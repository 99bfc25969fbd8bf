"""Which seeds are simulated: as many as the lane allows, or the one that is asked for, with everything it logs."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.simulation import edges
from tests.simulation.plants import PLANTS

SEEDS = {10: 10, 50: 200, 1_000: 100_000}
"""By the number of examples of the lane: `make check`, `make test`, `make soak`."""

SOME_ONE_IN = {10: 10}
"""Of the seeds this part is simulated with deletes, too; elsewhere one in four."""

PLANTS_ONE_IN = {10: 10}
"""Of the planted faults this part is looked for; elsewhere all."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The seeds in parts, so that processes share them and show how far they are; and the planted faults.

    Those of `some_seeds` are a part of them, for the dearest worlds.
    """
    lane = settings().max_examples
    if "seeds" in metafunc.fixturenames:
        _in_parts(metafunc, "seeds", _seeds(metafunc.config))
    if "some_seeds" in metafunc.fixturenames:
        _in_parts(metafunc, "some_seeds", _seeds(metafunc.config)[:: SOME_ONE_IN.get(lane, 4)])
    if "plant" in metafunc.fixturenames:
        metafunc.parametrize("plant", PLANTS[:: PLANTS_ONE_IN.get(lane, 1)], ids=lambda plant: plant.name)


def _seeds(config: pytest.Config) -> range:
    asked = config.getoption("--simulation-seed")
    if asked is not None:
        return range(asked, asked + 1)
    first = config.getoption("--simulation-from")
    return range(first, first + (config.getoption("--simulation-seeds") or SEEDS.get(settings().max_examples, 200)))


def _in_parts(metafunc: pytest.Metafunc, name: str, seeds: range) -> None:
    size = min(500, -(-len(seeds) // 20))
    parts = [seeds[at : at + size] for at in range(0, len(seeds), size)]
    metafunc.parametrize(name, parts, ids=lambda part: f"{part[0]}-{part[-1]}")


@pytest.fixture(scope="session", autouse=True)
def _home() -> Iterator[None]:
    yield
    edges.leave()


@pytest.fixture(scope="module", autouse=True)
def _collects_worlds_only() -> None:
    """What was there before is not looked at again, each time that worlds are collected: it takes 0.1 s."""
    gc.collect()
    gc.freeze()

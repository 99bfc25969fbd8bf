"""Which seeds are simulated: as many as the lane allows, or the one that is asked for, with everything it logs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.simulation import edges
from tests.simulation.plants import PLANTS

PARTS = 20
SEEDS = {20: 200, 100: 1_000, 1_000: 100_000}
"""By the number of examples of the lane: `make check`, `make test`, `make soak`."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The seeds in parts, so that processes share them; of the planted faults one in five in `make check`."""
    lane = settings().max_examples
    asked = metafunc.config.getoption("--simulation-seed")
    if "seeds" in metafunc.fixturenames:
        size = SEEDS.get(lane, 1_000) // PARTS
        parts = [range(part * size, (part + 1) * size) for part in range(PARTS)]
        metafunc.parametrize("seeds", parts if asked is None else [range(asked, asked + 1)], ids=str)
    if "plant" in metafunc.fixturenames:
        metafunc.parametrize("plant", PLANTS[:: 1 if lane >= 100 else 5], ids=lambda plant: plant.name)


@pytest.fixture(scope="session", autouse=True)
def _home() -> Iterator[None]:
    yield
    edges.leave()

"""What the tests of the simulators share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from simulators import simulation
from tests.support.mqtt_server import TinyServer


@pytest.fixture(scope="module", autouse=True)
def _begins_soon(request: pytest.FixtureRequest) -> Iterator[None]:
    """Only where the climate is looked at it has a day to become what the weather makes of it."""
    with pytest.MonkeyPatch.context() as patch:
        if request.module.__name__ != "test_climate":
            patch.setattr(simulation, "WARM_UP_S", 600.0)
        yield


@pytest.fixture
async def server() -> AsyncIterator[TinyServer]:
    async with TinyServer() as tiny:
        yield tiny

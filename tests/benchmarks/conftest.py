"""What the tests of the benchmarks' tools share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.mqtt_server import TinyServer


@pytest.fixture
async def server() -> AsyncIterator[TinyServer]:
    async with TinyServer() as tiny:
        yield tiny

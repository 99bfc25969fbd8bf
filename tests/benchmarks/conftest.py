"""What the tests of the benchmarks' tools share."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.mqtt_server import TinyServer

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))  # scripts, which import each other by their bare names


@pytest.fixture
async def server() -> AsyncIterator[TinyServer]:
    async with TinyServer() as tiny:
        yield tiny

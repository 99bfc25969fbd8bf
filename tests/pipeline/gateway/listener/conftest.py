"""A listener in the test's own loop with a fake log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from byte_devices import Listen, Listener

from pipeline.base.arrival import host_stamps
from pipeline.gateway.listener.server import Gateway
from pipeline.gateway.listener.settings import ListenerSettings
from pipeline.log.testing import FakeAppender


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    """Starts listeners with the settings that a test names."""
    listeners: list[Listener] = []

    async def start(**settings: Any) -> Listener:
        log = FakeAppender()
        gateway = Gateway(replace(ListenerSettings(port=0, stop_timeout_s=5), **settings), log, stamps=host_stamps())
        await gateway.start()
        assert gateway._ticker is not None
        gateway._ticker.cancel()  # tests turn the wheel, and nobody else
        listeners.append(Listener(gateway, log))
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.log.is_stalled = listener.log.is_full = False
        listener.log.let_go()
        for device in listener.devices:
            await device.close()
        await listener.gateway.stop()
        if listener.gateway.stage.failed.done():
            listener.gateway.stage.failed.exception()
        else:
            listener.gateway.stage.failed.cancel()


@pytest.fixture
async def listener(listen: Listen) -> Listener:
    """A listener with the default settings."""
    return await listen()

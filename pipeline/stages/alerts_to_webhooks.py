"""[alerts] → the archive and its queue of deliveries → the receivers' webhooks."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson

from pipeline.archive.alerts import AlertArchive
from pipeline.webhooks import WebhookSender


async def alerts_to_webhooks(stream: Any, archive: AlertArchive, sender: WebhookSender, name: str) -> None:
    """Run until the Faust stream ends. `name` is the log stream's: `<log id>/alerts/0`."""
    async for event in stream.events():
        events = orjson.loads(event.value)
        now_ns = time.time_ns()
        await asyncio.to_thread(archive.accept, name, event.message.offset, events, sender.receivers, now_ns=now_ns)
        sender.wake()

"""One alert, sent to receivers of any kind."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from loopback_endpoint import until

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.archive.delivery import Delivery
from pipeline.alerting.receivers import Sender
from pipeline.alerting.routing.plan import plan_of
from pipeline.config import Config
from tests.support.alert_entries import entry

STREAM = "0123456789abcdef/alerts/0"


@asynccontextmanager
async def delivered(folder: Path, *receivers: dict[str, Any], **sections: Any) -> AsyncIterator[dict[str, Delivery]]:
    """One alert, and what became of its delivery to each receiver after the first attempt."""
    config = Config.model_validate({"receivers": receivers, **sections})
    archive = AlertArchive(folder / "alerts.sqlite")
    clocks = {"clock_ns": time.time_ns, "wall_ns": time.time_ns}
    sender = Sender(config.receivers, archive, brokers=config.brokers, rng=random.Random(1), **clocks)
    await sender.start()
    archive.accept(STREAM, 0, [entry("a1", severity="critical")], plan_of(config), now_ns=time.time_ns())
    sender.wake()
    try:
        await until(lambda: all(one.attempts for one in archive.deliveries()))
        yield {one.receiver: one for one in archive.deliveries()}
    finally:
        await sender.stop()
        archive.close()

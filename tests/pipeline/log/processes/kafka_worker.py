"""A worker that reads READINGS from the beginning: prints `assigned <count>` and `<partition> <offset>`."""

import asyncio
import pickle
import sys
from typing import Any

from faust.types import TP

from pipeline.log.faust.app import new_app, running
from pipeline.log.faust.transport import LogUse
from pipeline.log.settings import LogSettings
from pipeline.log.topics import READINGS


async def main(settings: LogSettings, client_id: str) -> None:
    async def assigned(partitions: set[TP]) -> None:
        print(f"assigned {len(partitions)}", flush=True)  # noqa: T201  it speaks to its test

    app = new_app(LogUse(settings, lambda _: None, assigned, client_id=client_id))

    @app.agent(app.topic(READINGS), concurrency=1)
    async def tell(stream: Any) -> None:
        async for event in stream.events():
            sys.stdout.write(f"{event.message.partition} {event.message.offset}\n")
            sys.stdout.flush()

    async with running(app):
        await app.wait_until_stopped()


asyncio.run(main(pickle.loads(bytes.fromhex(sys.argv[1])), sys.argv[2]))

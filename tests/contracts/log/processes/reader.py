"""An application with an agent over READINGS that keeps its own position: the last line it wrote to its file.

Prints `<offset> <number in the message>` for each event it has written down.
"""

import asyncio
import os
import pickle
import sys
from pathlib import Path
from typing import Any

from pipeline.log.faust.app import new_app, running
from pipeline.log.faust.transport import LogUse
from pipeline.log.settings import LogSettings
from pipeline.log.topics import READINGS


def position(journal: Path) -> int | None:
    """The offset after that of the last complete line."""
    if not journal.exists():
        return None
    text = journal.read_text().rpartition("\n")[0]
    return int(text.rpartition("\n")[2].split()[0]) + 1 if text else None


async def main(settings: LogSettings, journal: Path) -> None:
    app = new_app(LogUse(settings, lambda _: position(journal)), name=journal.stem)
    file = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    @app.agent(app.topic(READINGS), concurrency=1)
    async def write_down(stream: Any) -> None:
        async for event in stream.events():
            line = f"{event.message.offset} {event.value.split()[1].decode()}\n".encode()
            os.write(file, line)
            os.write(1, line)

    async with running(app):
        await app.wait_until_stopped()


asyncio.run(main(pickle.loads(bytes.fromhex(sys.argv[1])), Path(sys.argv[2])))

"""Appends `<writer> <number>` for ever, 20 at a time under way, and prints `<number> <offset>` for each durable one."""

import asyncio
import itertools
import pickle
import sys

from pipeline.log import open_appender
from pipeline.log.settings import LogSettings
from pipeline.log.topics import READINGS


async def main(settings: LogSettings, writer: str, count: int) -> None:
    appender = open_appender(settings)
    await appender.start()
    numbers = iter(range(count))
    while batch := list(itertools.islice(numbers, 20)):
        appends = [(number, appender.append(READINGS, f"{writer} {number}".encode())) for number in batch]
        for number, append in appends:
            sys.stdout.write(f"{number} {await append}\n")
            sys.stdout.flush()
    await appender.stop()


asyncio.run(main(pickle.loads(bytes.fromhex(sys.argv[1])), sys.argv[2], int(sys.argv[3])))

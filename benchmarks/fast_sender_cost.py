"""The cost of the fast sender itself, with a server that only answers; prints a table.

python benchmarks/fast_sender_cost.py [--seconds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import repository  # noqa: F401  # for tests.support
import uvloop

from tests.support.mqtt_server import TinyServer

SENDER = Path(__file__).with_name("fast_sender.py")
CASES = (
    ("20 connections, flat out", ("--connections", "20")),
    ("20 connections, 20,000/s", ("--connections", "20", "--rate", "20000")),
    ("200 connections, 5,000/s, ids", ("--connections", "200", "--rate", "5000", "--ids", "--late", "0.05")),
    ("5,000 connections, 10,000/s", ("--connections", "5000", "--rate", "10000")),
)


async def serve(port: asyncio.Future[int], end: asyncio.Event) -> None:
    """Answer until `end`."""
    async with TinyServer(remembers=False) as server:
        port.set_result(server.port)
        await end.wait()


async def measure(seconds: float) -> None:
    """Run the cases one after the other, and print the cost of each."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    end = asyncio.Event()
    serving = asyncio.create_task(serve(port, end))
    address = f"127.0.0.1:{await port}"
    print(f"{'':32} {'messages/s':>12} {'CPU-s/100,000':>14} {'p50 ms':>8} {'p99 ms':>8}")
    for name, options in CASES:
        command = (sys.executable, str(SENDER), "--mqtt", address, "--seconds", str(seconds), *options)
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        result: dict[str, Any] = json.loads((await process.communicate())[0])
        latency = result["puback_ms"]
        print(
            f"{name:32} {result['messages_per_s']:12,.0f} {result['cpu_s_per_100000']:14.2f}"
            f" {latency['p50']:8.1f} {latency['p99']:8.1f}",
            flush=True,
        )
    end.set()
    await serving


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    uvloop.run(measure(parser.parse_args().seconds))

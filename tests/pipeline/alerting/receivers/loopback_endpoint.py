"""A receiver's endpoint on a free loopback port, which answers as a test says."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

DEADLINE_S = 60.0


@dataclass(frozen=True)
class Posted:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Posted], Awaitable[bytes]]
"""The whole HTTP answer, as bytes."""


def answer(status: int, headers: str = "", body: bytes = b"") -> bytes:
    """A complete answer; `headers` are lines that each end in CRLF."""
    return f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body


@dataclass
class Endpoint:
    """What came, in order, and how it is answered: `script` first, one answer each, then 204."""

    port: int = 0
    posted: list[Posted] = field(default_factory=list)
    script: list[bytes] = field(default_factory=list)
    before_answer: Answer | None = None
    closes: bool = False  # whether the connection ends with each answer
    now_open: int = 0
    most_open: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not (self.closes and self.posted):
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {
                    name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                await self.reply(Posted(head[0].split(" ")[1], headers, body), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def reply(self, posted: Posted, writer: asyncio.StreamWriter) -> None:
        self.posted.append(posted)
        self.now_open += 1
        self.most_open = max(self.most_open, self.now_open)
        try:
            if self.before_answer is not None:
                answered = await self.before_answer(posted)
            else:
                answered = self.script.pop(0) if self.script else answer(204)
            writer.write(answered)
            await writer.drain()
        finally:
            self.now_open -= 1

    @property
    def ids(self) -> list[str]:
        """The webhook-id of each request."""
        return [posted.headers["webhook-id"] for posted in self.posted]


@asynccontextmanager
async def endpoint(*script: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Endpoint]:
    """An endpoint that answers with `script`; connections end with it."""
    served = Endpoint(script=list(script))
    connections: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await served.serve(reader, writer)
        except asyncio.CancelledError:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()


async def until(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds; fail the test if it does not come to hold."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # what is waited for is in a file, and has no event
            await asyncio.sleep(0.005)

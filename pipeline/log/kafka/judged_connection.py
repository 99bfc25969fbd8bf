"""Bounds what is read from a broker of Kafka: aiokafka would wait in memory for a response of two gigabytes, if the
first bytes that some server sends read like that size, and takes a list of API versions that is none for one.
"""

from __future__ import annotations

from typing import Any

from aiokafka import conn
from aiokafka.errors import KafkaConnectionError

MOST_RESPONSE_BYTES = 100 << 20  # twice what a fetch asks for


class JudgedConnection(conn.AIOKafkaConnection):
    """Ends when a response can be none of Kafka's."""

    def _create_reader_task(self) -> Any:
        reader: Any = self._reader
        read = reader.readexactly

        async def bounded(count: int) -> bytes:
            if not 0 <= count <= MOST_RESPONSE_BYTES:
                raise ConnectionError(
                    f"a response of {count} bytes from {self.host}:{self.port}; at most {MOST_RESPONSE_BYTES} are read"
                )
            data: bytes = await read(count)
            return data

        reader.readexactly = bounded
        return super()._create_reader_task()

    async def _do_version_lookup(self) -> None:
        try:
            await super()._do_version_lookup()
        except (TypeError, ValueError) as error:
            raise KafkaConnectionError(f"{self.host}:{self.port} names no API versions: {error}") from error


def judge_connections() -> None:
    """Let all clients of aiokafka connect so."""
    module: Any = conn
    module.AIOKafkaConnection = JudgedConnection

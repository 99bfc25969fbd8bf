"""Removes workers from the group that have ended without leaving it, so that others need not wait for their session.

A worker is a member of the group under the address where it answers HTTP, and it answers before it joins and until it
has left. So if that address accepted connections and refuses them now, its process has ended, and its host says so at
once. A host that says nothing is left to Kafka, and so is an address that was never reached from here. A worker that
was removed by mistake joins again, and loses nothing; it is removed again only after it was reached.
"""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import urlsplit

from pipeline.base.errors import LogError
from pipeline.log.log import LogAdmin

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
_ANSWER_WITHIN_S = 1.0


class Departed:
    """The look at the other members. Used by one event loop."""

    def __init__(self, admin: LogAdmin, own: str) -> None:
        self._admin = admin
        self._own = own
        self._reached: set[str] = set()

    async def look(self) -> None:
        """Remove those that have ended. A log that does not answer is asked again at the next look."""
        try:
            others = await asyncio.to_thread(self._admin.members, self._own) - {self._own}
            self._reached &= others
            for address in sorted(others):
                accepts = await _accepts(address)
                if accepts:
                    self._reached.add(address)
                elif accepts is False and address in self._reached:
                    self._reached.discard(address)
                    log.warning("the worker %s has ended: others take over its partitions", address)
                    await asyncio.to_thread(self._admin.remove, address)
        except LogError as error:
            log.debug("the members of the group are not known: %s", error)


async def remove_former_self(admin: LogAdmin, own: str) -> None:
    """Before this worker joins: remove what it was before it ended, as the group still waits for that."""
    try:
        if own in await asyncio.to_thread(admin.members, ""):
            await asyncio.to_thread(admin.remove, own)
    except LogError as error:
        log.warning("this worker may wait for its former self: %s", error)


async def _accepts(address: str) -> bool | None:
    """Whether somebody listens there, according to the host; None: it does not say."""
    try:
        where = urlsplit(address)
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            _, writer = await asyncio.open_connection(where.hostname, where.port)
    except ConnectionRefusedError:
        return False
    except (OSError, ValueError):  # TimeoutError is one
        return None
    writer.close()
    return True

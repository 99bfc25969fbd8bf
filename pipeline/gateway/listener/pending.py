"""Connections of which nothing is known yet: in a TLS handshake, or without an accepted CONNECT. Decides; does no I/O.

They cost memory and an open file each, so their number is limited, in all and for one client address. A device is
pending for milliseconds, so one that has been for longer than `GIVES_WAY_TURNS` makes place for a new one: whoever only
opens connections keeps nobody out. If none has, as when all devices come back at once, the new one is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

GIVES_WAY_TURNS = 2  # of the listener's wheel: a second


class GivesWay(Protocol):
    """A pending connection."""

    def give_way(self, limit: str) -> None:
        """End now: another one needs its place."""
        ...


@dataclass(slots=True)
class Pending:
    """The pending connections of one listener, by client address, the longest pending first."""

    most: int
    most_per_address: int
    _by_client: dict[str, dict[GivesWay, int]] = field(default_factory=dict)  # to the turn at which it began
    _client_of: dict[GivesWay, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._client_of)

    def admit(self, client: str, connection: GivesWay, turn: int) -> str | None:
        """Count a new connection, ending an older one if needed; the name of the limit if it is one too many."""
        limit, of_whom = self._reached(client)
        if limit is not None:
            oldest, since = next(iter(of_whom.items()))
            if turn - since < GIVES_WAY_TURNS:
                return limit
            self.done(oldest)
            oldest.give_way(limit)
        self._by_client.setdefault(client, {})[connection] = turn
        self._client_of[connection] = client
        return None

    def done(self, connection: GivesWay) -> None:
        """It is not pending any more; does nothing if it was not."""
        client = self._client_of.pop(connection, None)
        if client is not None:
            of_client = self._by_client[client]
            del of_client[connection]
            if not of_client:
                del self._by_client[client]

    def _reached(self, client: str) -> tuple[str | None, dict[GivesWay, int]]:
        """The limit that is reached, and the connections of which one may give way."""
        own = self._by_client.get(client, {})
        if len(own) >= self.most_per_address:
            return "pending_per_address", own
        if len(self) >= self.most:
            return "pending", max(self._by_client.values(), key=len)
        return None, own

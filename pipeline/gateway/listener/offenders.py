"""Clients whose connection was ended because of a PUBLISH that MQTT forbids.

The standard requires to end such a connection. A client that keeps unacknowledged messages sends it again on the next
one, before all later messages, for ever. So a connection is ended only the first time: when the client connects again,
its forbidden messages are acknowledged. In both cases they become dead letters.
"""

from __future__ import annotations

from collections import OrderedDict

REMEMBERED = 10_000  # clients; the least recent ones are removed, and would be ended once more


class Offenders:
    """A bounded set of clients."""

    def __init__(self) -> None:
        self._clients: OrderedDict[tuple[str, str], None] = OrderedDict()

    def offends(self, account: str, client: str) -> bool:
        """Record that this client of `account` sent such a message; returns whether it had done so before."""
        key = account, client
        is_known = key in self._clients
        self._clients[key] = None
        self._clients.move_to_end(key)
        if len(self._clients) > REMEMBERED:
            self._clients.popitem(last=False)
        return is_known

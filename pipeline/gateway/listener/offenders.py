"""Who was ended for a PUBLISH that MQTT forbids.

The standard wants such a connection ended. A client that keeps what was not acknowledged sends it again on the next
one, before all that is behind it, for ever. So only the first time is a connection ended: when the client comes again,
such messages of its are acknowledged. Either way they become dead letters.
"""

from __future__ import annotations

from collections import OrderedDict

REMEMBERED = 10_000  # clients; those that have not offended for longest are forgotten, and are ended once more


class Offenders:
    """A bounded memory of clients."""

    def __init__(self) -> None:
        self._clients: OrderedDict[tuple[str, str], None] = OrderedDict()

    def offends(self, account: str, client: str) -> bool:
        """Note that this client of `account` has sent such a message. Whether it had before."""
        key = account, client
        is_known = key in self._clients
        self._clients[key] = None
        self._clients.move_to_end(key)
        if len(self._clients) > REMEMBERED:
            self._clients.popitem(last=False)
        return is_known

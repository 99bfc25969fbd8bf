"""Where the console is, for browsers that come to the API's own address."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pipeline.base.quantities import Address

TIMEOUT_S = 0.5


@dataclass(frozen=True, slots=True)
class ConsolePlace:
    """The console's address, and its URL if it is found elsewhere."""

    address: Address
    url: str | None = None

    def url_for(self, scheme: str, host: str) -> str:
        """Where a browser finds it that reached this server as `host`."""
        if self.url is not None:
            return self.url
        seen = self.address if self.address.host not in {"0.0.0.0", "::"} else Address(host, self.address.port)  # noqa: S104  # read, not bound
        return f"{scheme}://{seen}"

    async def answers(self) -> bool:
        """Whether something listens there; true for a console that is found elsewhere."""
        if self.url is not None:
            return True
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.address.host, self.address.host)  # noqa: S104  # as above
        try:
            async with asyncio.timeout(TIMEOUT_S):
                _, writer = await asyncio.open_connection(host, self.address.port)
        except OSError:  # also TimeoutError
            return False
        writer.close()
        return True

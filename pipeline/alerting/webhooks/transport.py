"""An HTTP transport that resolves names itself, checks the addresses, and connects to the checked address.

If a name were resolved once for the check and again for the connection, its owner could change the answer in between.
The certificate is still verified for the name, and the Host header contains the name.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import httpx

from pipeline.alerting.webhooks.addresses import is_public

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]


class PrivateAddress(httpx.ConnectError):
    """The receiver's name resolves to an address that is not public, and `allow_private` is not set."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of `host`, in the system's order of preference. Raises OSError."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        if not host.endswith("."):
            raise
        # "localhost." is a complete name in DNS, but not in /etc/hosts
        found = await loop.getaddrinfo(host.rstrip("."), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class CheckedTransport(httpx.AsyncBaseTransport):
    """A transport for one receiver. It ignores proxies of the environment: a proxy would resolve names itself."""

    def __init__(self, *, allow_private: bool, ssl_context: ssl.SSLContext, resolve: Resolve = resolve) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._inner = httpx.AsyncHTTPTransport(verify=ssl_context, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response of the first address of the host that accepts a connection."""
        host = request.url.raw_host.decode("ascii")
        failure: httpx.TransportError = httpx.ConnectError(f"{host} has no address")
        for address in await self.addresses(request.url):
            try:
                return await self._inner.handle_async_request(_to_address(request, host, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()

    async def addresses(self, url: httpx.URL) -> Sequence[str]:
        """The addresses of `url`. Raises ConnectError, PrivateAddress."""
        host, port = url.raw_host.decode("ascii"), url.port or (443 if url.scheme == "https" else 80)
        try:
            addresses = await self._resolve(host, port)
        except OSError as error:
            raise httpx.ConnectError(f"{host} cannot be resolved: {error.strerror or error}") from error
        private = [] if self._allow_private else [address for address in addresses if not is_public(address)]
        if private:
            told = f"{host} has the address {private[0]}, which is not public: it needs `allow_private: true`"
            raise PrivateAddress(told)
        return addresses


def _to_address(request: httpx.Request, host: str, address: str) -> httpx.Request:
    """The same request, sent to `address`; the Host header and the name for the certificate remain `host`."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host.rstrip(".")},
    )

"""An HTTP transport that resolves names itself, checks the addresses, and connects to the checked address.

If a name were resolved once for the check and again for the connection, its owner could change the answer in between.
The certificate is still verified for the name, and the Host header contains the name.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import httpcore
import httpx

from pipeline.alerting.receivers.addresses import is_public

MOST_READ_BYTES = 256 * 1024  # of a response with everything before it; four times what is read of a body
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
        # httpx has no argument for it
        self._inner._pool._network_backend = _BoundedBackend(self._inner._pool._network_backend)  # noqa: SLF001

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
        except UnicodeError as error:  # a label that is empty or too long
            raise httpx.ConnectError(f"{host} cannot be resolved: it is no name of a host") from error
        private = [] if self._allow_private else [address for address in addresses if not is_public(address)]
        if private:
            told = f"{host} has the address {private[0]}, which is not public: it needs `allow_private: true`"
            raise PrivateAddress(told)
        return addresses


class _BoundedBackend(httpcore.AsyncNetworkBackend):
    """Connections from which little is read for each request.

    h11 limits the head of a response, and the reader its body; but an endpoint may send any number of 1xx responses
    before, as fast as it can, and each costs time of the event loop that the stream runs in.
    """

    def __init__(self, inner: httpcore.AsyncNetworkBackend) -> None:
        self._inner = inner

    async def connect_tcp(self, *arguments: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        """See httpcore."""
        return _BoundedStream(await self._inner.connect_tcp(*arguments, **options))

    async def sleep(self, seconds: float) -> None:
        """See httpcore."""
        await self._inner.sleep(seconds)


class _BoundedStream(httpcore.AsyncNetworkStream):
    """One connection. Each request begins with a write."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._read_bytes = 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  # httpcore's
        """Raises ReadError beyond `MOST_READ_BYTES`."""
        data = await self._inner.read(max_bytes, timeout)
        self._read_bytes += len(data)
        if self._read_bytes > MOST_READ_BYTES:
            raise httpcore.ReadError(f"the answer has more than {MOST_READ_BYTES} bytes")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109  # httpcore's
        """See httpcore."""
        self._read_bytes = 0
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        """See httpcore."""
        await self._inner.aclose()

    async def start_tls(self, *arguments: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        """See httpcore."""
        return _BoundedStream(await self._inner.start_tls(*arguments, **options))

    def get_extra_info(self, info: str) -> Any:
        """See httpcore."""
        return self._inner.get_extra_info(info)


def _to_address(request: httpx.Request, host: str, address: str) -> httpx.Request:
    """The same request, sent to `address`; the Host header and the name for the certificate remain `host`."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host.rstrip(".")},
    )

"""HTTP requests to another worker, with the token of the workers.

Every failure is a PeerUnavailable that names the peer.

`PeerClient` is for threads that answer queries, `AsyncPeerClient` for the HTTP server's event loop, where many requests
wait.
"""

from __future__ import annotations

import functools
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec
import pyarrow as pa

from pipeline.base.errors import NotOwned, PeerUnavailable
from pipeline.base.tls.trust import trusting

CONNECT_TIMEOUT_S = 1.0
FORWARD_TIMEOUT_S = 30.0
MOST_ANSWER_BYTES = 2 << 30  # rows that are in the other worker's memory tier only, uncompressed
NOT_OWNED = 409  # the status of a response: the worker does not own the partition
TIER = "x-streamgauge-tier"  # the id of the magnetic tier: a response from another tier is useless


@dataclass(frozen=True, slots=True)
class PeerAccess:
    """How workers authenticate each other: their token, the id of their magnetic tier, the CA of their certificates."""

    token: str | None = field(repr=False)
    tier_id: str
    ca: Path | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        return {TIER: self.tier_id, "accept-encoding": "identity"} | (
            {"authorization": f"Bearer {self.token}"} if self.token else {}
        )

    @property
    def verify(self) -> ssl.SSLContext:
        """The argument `verify` of httpx."""
        return trusting(self.ca, "peers.ca:") if self.ca else _public_authorities()


@functools.cache  # httpx would read their certificates, 30 ms, for each client, and each forwarded request is one
def _public_authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A client's request that is forwarded to another worker unchanged; `target` is its path and query."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """The response of the other worker."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class PeerClient:
    """Posts to workers by address (`http://host:port`). Safe for concurrent use from any thread."""

    def __init__(self, access: PeerAccess) -> None:
        self._http = httpx.Client(headers=access.headers, verify=access.verify, trust_env=False)

    def post(self, address: str, path: str, body: bytes, timeout_s: float) -> bytes:
        """The response body of the worker at `address`. Raises NotOwned, PeerUnavailable."""
        deadline_s = time.monotonic() + timeout_s
        try:
            with self._http.stream(
                "POST", f"{address}/internal/{path}", content=body, timeout=_timeout(timeout_s)
            ) as response:
                content = bytearray()
                for part in response.iter_raw():
                    _take(address, content, part, deadline_s)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _silent(address, error) from error
        return _content(address, response.status_code, bytes(content))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class AsyncPeerClient:
    """As `PeerClient`, for one event loop."""

    def __init__(self, access: PeerAccess) -> None:
        self._verify = access.verify
        self._http = httpx.AsyncClient(
            headers=access.headers, verify=self._verify, trust_env=False, limits=httpx.Limits(max_connections=None)
        )

    async def post(self, address: str, path: str, body: bytes, timeout_s: float) -> bytes:
        """See `PeerClient.post`."""
        deadline_s = time.monotonic() + timeout_s
        try:
            async with self._http.stream(
                "POST", f"{address}/internal/{path}", content=body, timeout=_timeout(timeout_s)
            ) as response:
                content = bytearray()
                async for part in response.aiter_raw():
                    _take(address, content, part, deadline_s)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _silent(address, error) from error
        return _content(address, response.status_code, bytes(content))

    async def forward(self, address: str, request: Forwarded) -> Answered:
        """The response of the worker at `address` to a client's request. Raises PeerUnavailable."""
        try:
            # a client of its own: the credentials of the workers must not be sent with a request of somebody else
            async with httpx.AsyncClient(verify=self._verify, trust_env=False, timeout=FORWARD_TIMEOUT_S) as http:
                response = await http.request(
                    request.method, f"{address}{request.target}", headers=request.headers, content=request.body
                )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _silent(address, error) from error
        return Answered(response.status_code, response.headers, response.content)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def _timeout(timeout_s: float) -> httpx.Timeout:
    left_s = max(timeout_s, 0.001)
    return httpx.Timeout(left_s, connect=min(CONNECT_TIMEOUT_S, left_s))


def _silent(address: str, error: Exception) -> PeerUnavailable:
    return PeerUnavailable(f"the worker at {address} does not answer: {str(error) or type(error).__name__}")


def _take(address: str, content: bytearray, part: bytes, deadline_s: float) -> None:
    content += part
    if time.monotonic() > deadline_s:  # httpx limits the time until the next part, not until the last one
        raise PeerUnavailable(f"the worker at {address} did not answer in time")
    if len(content) > MOST_ANSWER_BYTES:
        raise PeerUnavailable(f"the worker at {address} answered with more than {MOST_ANSWER_BYTES} bytes")


def _content(address: str, status: int, content: bytes) -> bytes:
    told = content[:300].decode(errors="replace")
    if status == NOT_OWNED:
        raise NotOwned(f"the worker at {address}: {told}")
    if status != httpx.codes.OK:
        raise PeerUnavailable(f"the worker at {address} answered {status}: {told}")
    return content


@contextmanager
def understood(address: str) -> Iterator[None]:
    """Raise PeerUnavailable for content that another worker of this version does not send: MessagePack, Arrow."""
    try:
        yield
    except (msgspec.MsgspecError, pa.ArrowException, ValueError, TypeError) as error:
        raise PeerUnavailable(f"the answer of the worker at {address} cannot be read: {error}") from error

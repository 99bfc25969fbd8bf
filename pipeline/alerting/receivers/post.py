"""One attempt to deliver: a request and its response, within 10 seconds whatever the endpoint does."""

from __future__ import annotations

import asyncio

import httpx

from pipeline.alerting.receivers.retry_policy import Attempt
from store.values.urls import scrubbed

TIMEOUT_S = 10.0
# A response is read to its end, so that the connection can be used again, unless it is longer than this.
LONGEST_ANSWER_BYTES = 64 * 1024
SHOWN_CHARACTERS = 200


async def post(client: httpx.AsyncClient, url: str, headers: dict[str, str], body: bytes) -> Attempt:
    """The result of posting `body`.

    Failures of the network and of the endpoint are results, not exceptions, and contain no secret part of `url`.
    """
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            client.stream("POST", url, headers=headers, content=body) as response,
        ):
            beginning = await _read(response)
    except TimeoutError:
        return Attempt(None, {}, f"no answer within {TIMEOUT_S:g} s")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Attempt(None, {}, scrubbed(_one_line(f"{type(error).__name__}: {error}"), url)[:SHOWN_CHARACTERS])
    return Attempt(response.status_code, dict(response.headers), _shown(response, beginning, url))


async def _read(response: httpx.Response) -> bytes:
    """The body of the response, cut after the chunk that exceeds LONGEST_ANSWER_BYTES; that closes the connection."""
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_raw():
        parts.append(part)
        size += len(part)
        if size > LONGEST_ANSWER_BYTES:
            break
    return b"".join(parts)


def _shown(response: httpx.Response, beginning: bytes, url: str) -> str:
    """The status and the beginning of the response for the operator, in printable characters."""
    told = f"HTTP {response.status_code}"
    if 300 <= response.status_code < 400 and "location" in response.headers:
        told += f": redirects to {_target(response.headers['location'], url)}, which is not followed; make that the url"
    # scrubbed before it is cut: a secret that is cut in two would not be found
    said = scrubbed(_one_line(beginning[: 2 * SHOWN_CHARACTERS].decode("utf-8", "replace").strip()), url)
    return told + (f": {said[:SHOWN_CHARACTERS]}" if said else "")


def _target(location: str, url: str) -> str:
    """The target of a redirect for display. Its user, password and query may be as secret as those of the URL."""
    bare = location.partition("?")[0].partition("#")[0]
    scheme, slashes, rest = bare.partition("://")
    if slashes:
        authority, slash, path = rest.partition("/")
        bare = f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"
    return scrubbed(_one_line(bare), url)[:SHOWN_CHARACTERS]


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)

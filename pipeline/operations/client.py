"""The HTTP client of client commands: sends a token, and raises every failure as one of our errors."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx

from pipeline.base.errors import ServerBusy, ServerNotTrusted, ServerRefused, ServerUnreachable
from pipeline.base.tls.trust import trusting
from store.values.urls import without_user_parts

DEFAULT_ENDPOINT = "http://127.0.0.1:8080"
TIMEOUT_S = 120.0

Parameters = Iterable[tuple[str, str]]


class Client:
    """A client for one server. Close it, or use it as a context manager."""

    def __init__(self, endpoint: str, token: str | None = None, ca: Path | None = None) -> None:
        """`ca` is a file of certificates (PEM) to trust in place of the usual ones. Raises ConfigError if it is not."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._endpoint = without_user_parts(endpoint)  # for messages
        # the usual CAs take 80 ms to read, so only for https; redirects are not followed
        verify = not endpoint.startswith("http://") if ca is None else trusting(ca, "--ca")
        self._http = httpx.Client(base_url=endpoint, headers=headers, timeout=TIMEOUT_S, verify=verify)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, *path: str, parameters: Parameters = ()) -> Any:
        """The JSON at a path, whose parts are escaped here. The caller leaves out parameters that are None."""
        return self._ask("GET", path, params=list(parameters)).json()

    def post(self, *path: str, body: Any) -> httpx.Response:
        """The response to a POST of JSON."""
        return self._ask("POST", path, json=body)

    def send(self, *path: str, parameters: Parameters, body: bytes, kind: str) -> Any:
        """The JSON that answers a POST of bytes; `kind` is their media type."""
        return self._ask("POST", path, params=list(parameters), content=body, headers={"content-type": kind}).json()

    def stream(self, *path: str, body: Any) -> httpx.Response:
        """The response to a POST of JSON, without its body: read that by `chunks` before this client is closed."""
        return self._ask("POST", path, stream=True, json=body)

    def exchange(self, content: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """The status and body of the response to a POST of these bytes to the endpoint itself, whatever the status."""
        try:
            response = self._http.post("/", content=content, headers=dict(headers))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            _refuse_certificate(self._endpoint, error)
            raise ServerUnreachable(
                f"no server answers at {self._endpoint} ({without_user_parts(str(error))})"
            ) from error
        return response.status_code, response.content

    def chunks(self, response: httpx.Response) -> Iterator[bytes]:
        """The body of a streamed response, as it arrives."""
        try:
            yield from response.iter_bytes()
        except httpx.HTTPError as error:
            raise ServerUnreachable(f"the server at {self._endpoint} ended its answer early ({error})") from error
        finally:
            response.close()

    def _ask(self, method: str, path: tuple[str, ...], *, stream: bool = False, **options: Any) -> httpx.Response:
        url = "/" + "/".join(quote(part, safe="") for part in path)
        try:
            response = self._http.send(self._http.build_request(method, url, **options), stream=stream)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            _refuse_certificate(self._endpoint, error)
            told = without_user_parts(str(error))
            raise ServerUnreachable(
                f"no server answers at {self._endpoint} ({told}); start one with `streamgauge up`, or name another "
                "with --endpoint or STREAMGAUGE_ENDPOINT"
            ) from error
        if response.is_error:
            response.read()
            if response.status_code in {httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS}:
                raise ServerBusy(_detail(response), _retry_after_s(response))
            raise ServerRefused(_detail(response))
        return response


def _refuse_certificate(endpoint: str, error: BaseException) -> None:
    """Raise ServerNotTrusted if the certificate caused `error`: OpenSSL's error is further down the chain."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise ServerNotTrusted(
                f"the certificate of {endpoint} is not trusted: {cause.verify_message}; name the file of the authority "
                "that issued it with --ca or STREAMGAUGE_CA, and the server as its certificate does"
            ) from error
        cause = cause.__cause__ or cause.__context__


def _retry_after_s(response: httpx.Response) -> float:
    told = response.headers.get("retry-after", "")
    return float(told) if told.isdecimal() else 0.0  # a proxy may say a date


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {response.status_code} {response.reason_phrase}"

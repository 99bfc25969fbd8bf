"""The client commands' way to a server: HTTP with a token, and every failure as one of our errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self
from urllib.parse import quote

import httpx

from pipeline.errors import ServerRefused, ServerUnreachable

DEFAULT_ENDPOINT = "http://127.0.0.1:8080"
TIMEOUT_S = 120.0

Parameters = Iterable[tuple[str, str]]


class Client:
    """Asks one server. Close it, or use it as a context manager."""

    def __init__(self, endpoint: str, token: str | None = None) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._endpoint = endpoint
        self._http = httpx.Client(base_url=endpoint, headers=headers, timeout=TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, *path: str, parameters: Parameters = ()) -> Any:
        """The JSON at a path, whose parts are escaped here. None parameters are left out by the caller."""
        return self._ask("GET", path, params=list(parameters)).json()

    def post(self, *path: str, body: Any) -> httpx.Response:
        """The response to a POST of JSON."""
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: tuple[str, ...], **options: Any) -> httpx.Response:
        url = "/" + "/".join(quote(part, safe="") for part in path)
        try:
            response = self._http.request(method, url, **options)
        except (httpx.TransportError, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise ServerUnreachable(
                f"no server answers at {self._endpoint} ({error}); start one with `streamgauge up`, or name another "
                "with --endpoint or STREAMGAUGE_ENDPOINT"
            ) from error
        if response.is_error:
            raise ServerRefused(_detail(response))
        return response


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {response.status_code} {response.reason_phrase}"

"""Refuses what a web page of somebody else makes a browser send, where no token does: see `pipeline.base.web_hosts`."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.api.http.problems import document
from pipeline.base.web_hosts import AnsweredHosts, origin_refusal


class HostCheck:
    """ASGI middleware around what answers. `origins`: of pages elsewhere that may ask."""

    def __init__(self, app: ASGIApp, hosts: AnsweredHosts, origins: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, origin = headers.get("host"), headers.get("origin")
        if refusal := self._hosts.refusal(host):
            answer: ASGIApp = document(421, refusal, {"header": "Host", "value": host})
        elif refusal := origin_refusal(scope["method"], origin, host, self._origins):
            answer = document(403, refusal, {"header": "Origin", "value": origin})
        else:
            answer = self._app
        await answer(scope, receive, send)

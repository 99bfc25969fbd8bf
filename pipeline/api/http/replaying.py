"""After a start, answers questions about data only when the stream has replayed what the log held at that moment.

Before that, rows that were queryable before the crash are missing in the store: a count would be lower for a while. So
such a request is answered 503 with Retry-After, on which clients (boto3 too) retry. Health, metrics and the API page
are answered at once.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.api.http.problems import document
from pipeline.stream.progress import HowFar

RETRY_AFTER_S = 1


class UntilReplayed:
    """ASGI middleware that refuses `POST /` and `/v1` until `progress.has_replayed` of the services."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        is_question = scope["type"] == "http" and (
            scope["path"].startswith("/v1") or (scope["path"] == "/" and scope["method"] == "POST")
        )
        if not is_question:
            await self._app(scope, receive, send)
            return
        progress: HowFar = scope["app"].state.services.progress
        if progress.has_replayed:
            await self._app(scope, receive, send)
            return
        answer = document(503, f"replaying the log after a start: {progress.frames_to_replay} frames to go")
        answer.headers["retry-after"] = str(RETRY_AFTER_S)
        await answer(scope, receive, send)

"""The HTTP server: uvicorn in its own thread and event loop, so that no request delays the stream."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from pipeline.api.http.connections import limited
from pipeline.config.model import HttpLimits

START_TIMEOUT_S = 30.0


class HttpServer:
    """Serves `app` on `listener` until stopped, by HTTPS if a context is given.

    `fail` is called, in the server's thread, if it ends before.
    """

    def __init__(
        self,
        app: FastAPI,
        listener: socket.socket,
        fail: Callable[[BaseException], None],
        tls: ssl.SSLContext | None = None,
        limits: HttpLimits | None = None,
    ) -> None:
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http=limited(limits or HttpLimits(), tls),
            ws="none",  # wsproto is installed for the listener; the API has no WebSockets
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
            timeout_keep_alive=30,
        )
        self._server = uvicorn.Server(config)
        self._listener = listener
        self._fail = fail
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._listener])
        except (Exception, SystemExit) as error:  # noqa: BLE001  # uvicorn exits if it cannot start
            self._fail(error)
        else:
            if not self._server.should_exit or not self._server.started:
                self._fail(RuntimeError("the HTTP server ended unexpectedly; the lines above say why"))

    @property
    def address(self) -> tuple[str, int]:
        """The host and port of the listener."""
        host, port = self._listener.getsockname()[:2]
        return host, port

    def start(self) -> None:
        """Start the thread and return at once."""
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether the server's thread runs."""
        return self._thread.is_alive()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Let running requests end, then close. Blocks."""
        self._server.should_exit = True
        self._thread.join(timeout_s)
        self._listener.close()

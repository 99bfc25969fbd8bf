"""Reloads TLS certificates while a server runs: each new handshake uses the files that were loaded last.

Each load makes a new context, because one context cannot be renewed in place: OpenSSL keeps one certificate for each
kind of key, so an RSA certificate would stay next to the ECDSA one that replaces it, and a client CA that was loaded
stays trusted. Open connections keep the certificate they started with. asyncio and uvloop make every handshake by
`wrap_bio`, which passes it to the newest context.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from typing import Any, Self

from pipeline.base import metrics
from pipeline.base.errors import ConfigError
from pipeline.base.tls.files import TlsFiles, load
from store.values.times import NS, rfc3339

logger = logging.getLogger(__name__)

POLL_S = 2.0  # how often to look for new files


class ReloadingContext(ssl.SSLContext):
    """The context for `create_server(ssl=…)`.

    `server` is a metric label, mqtt or http; `kind` is the class of the connections. The constructor raises ConfigError
    if the files cannot be used. If later ones cannot be used, an error is logged and the last good ones stay. `poll` is
    called every `POLL_S`, `reload` on SIGHUP; neither raises.
    """

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """`SSLContext` takes its protocol here, not in `__init__`."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(
        self,
        files: TlsFiles,
        server: str,
        kind: type[ssl.SSLObject] = ssl.SSLObject,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        self._files = files
        self._server = server
        self._kind = kind
        self._clock_s = clock_s
        self._tried = self._seen = files.signature()
        self._load()

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """One handshake, with the files loaded last."""
        return self._current.wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def poll(self) -> None:
        """Load the files if they have changed, but not since the last poll: they are written one after the other."""
        seen, before = self._files.signature(), self._seen
        self._seen = seen
        if seen != self._tried and seen == before:
            self.reload()

    def reload(self) -> None:
        """Load the files now."""
        self._tried = self._files.signature()
        try:
            self._load()
        except ConfigError as error:
            metrics.tls_reloads.labels(self._server, "failed").inc()
            until = rfc3339(self._validity.not_after_s * NS)
            logger.error("%s; the certificate before, valid until %s, stays in use", error, until)  # noqa: TRY400  # the message is complete
            return
        metrics.tls_reloads.labels(self._server, "loaded").inc()
        until = rfc3339(self._validity.not_after_s * NS)
        logger.info("%s: new certificate, valid until %s: %s", self._files.setting, until, self._files.certificate)

    def _load(self) -> None:
        self._current, self._validity = load(self._files, self._clock_s())
        self._current.sslobject_class = self._kind
        metrics.certificate_expiry.labels(self._server).set(self._validity.not_after_s)

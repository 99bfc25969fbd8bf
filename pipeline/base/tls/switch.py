"""The context a server is given once, which makes each new handshake with the files as they were loaded last.

A context of its own for each load, because one context cannot be renewed in place: OpenSSL keeps one certificate for
each kind of key, so an RSA certificate would live on beside the ECDSA one that replaces it, and a client CA that was
loaded is trusted for good. Connections that are open keep what they began with. asyncio and uvloop make every
handshake by `wrap_bio`, which is where the switch is.
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


class Switch(ssl.SSLContext):
    """For `create_server(ssl=…)` and its like. `server` is a metric label, mqtt or http; `kind` the connections' class.

    Raises ConfigError if the files cannot be used now; later ones that cannot be are refused, and the last good ones
    stay. `poll` is called every `POLL_S`, `reload` when the operator says so; neither raises.
    """

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """An SSLContext has its protocol from here."""
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
        """One handshake, by the files loaded last."""
        return self._current.wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def poll(self) -> None:
        """Load the files if they have changed, and not since the last poll: certificate and key come one by one."""
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
            logger.error("%s; the certificate before, valid until %s, stays in use", error, until)  # noqa: TRY400  # it says it all
            return
        metrics.tls_reloads.labels(self._server, "loaded").inc()
        until = rfc3339(self._validity.not_after_s * NS)
        logger.info("%s: new certificate, valid until %s: %s", self._files.setting, until, self._files.certificate)

    def _load(self) -> None:
        self._current, self._validity = load(self._files, self._clock_s())
        self._current.sslobject_class = self._kind
        metrics.certificate_expiry.labels(self._server).set(self._validity.not_after_s)

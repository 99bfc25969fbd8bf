"""The console's process: uvicorn over its application, until SIGTERM."""

from __future__ import annotations

import signal

import uvicorn

from pipeline.base.ports import listen
from pipeline.console.api import connect, trusted_by
from pipeline.console.app import create_app
from pipeline.console.settings import ConsoleSettings

STOP_S = 2


def run(settings: ConsoleSettings) -> None:
    """Serve until it is ended. Raises OSError if the address is taken. Blocks."""
    trust = trusted_by(settings)
    app = create_app(
        connect(settings, trust),
        cookie=f"streamgauge_{settings.address.port}",
        is_secure=settings.certificate is not None,
        hosts=settings.hosts,
    )
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_S,  # live pages never end by themselves
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
    )

    def load_certificates_again(*_: object) -> None:
        """At SIGHUP: certificates are renewed while the console runs."""
        if settings.certificate is not None and config.ssl is not None:
            config.ssl.load_cert_chain(settings.certificate, settings.key)
        if settings.trusted is not None and trust is not None:
            trust.load_verify_locations(settings.trusted)

    signal.signal(signal.SIGHUP, load_certificates_again)
    with listen(settings.address.host, settings.address.port) as listener:
        uvicorn.Server(config).run(sockets=[listener])

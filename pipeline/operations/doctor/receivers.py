"""The receivers of alerts: whether their names resolve to permitted addresses, and something listens."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from pipeline.base.errors import ConfigError
from pipeline.config import Config
from pipeline.config.receivers import Receiver
from pipeline.operations.doctor.finding import Finding, fail, ok
from pipeline.operations.doctor.reach import reach

NAME = "receivers"


def check_receivers(config: Config) -> Iterator[Finding]:
    """One finding per receiver; all are tried at the same time. Nothing is posted."""
    if not config.receivers:
        return
    with ThreadPoolExecutor(min(16, len(config.receivers))) as pool:
        yield from pool.map(_check, config.receivers)


def _check(receiver: Receiver) -> Finding:
    from pipeline.alerting.receivers.addresses import is_public  # noqa: PLC0415  # httpx only where there are receivers
    from pipeline.alerting.receivers.http import trust_of  # noqa: PLC0415
    from pipeline.alerting.receivers.kinds import check_receiver  # noqa: PLC0415

    who = f"{receiver.name} ({receiver.shown})"
    try:
        check_receiver(receiver)
    except ConfigError as error:
        return fail(NAME, str(error), "name a file of certificates in PEM, or an address that apprise knows")
    endpoint = receiver.endpoint
    if endpoint is None:
        return ok(NAME, f"{who}: `streamgauge receivers test {receiver.name}` sends a sample")
    parts = urlsplit(endpoint.url.get_secret_value())
    host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
    try:
        addresses = {str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError as error:
        return fail(
            NAME, f"{who}: the name is not known: {error.strerror}", "check its spelling, and the DNS of this machine"
        )
    private = sorted(address for address in addresses if not is_public(address))
    if private and not endpoint.allow_private:
        told = f"{who}: {private[0]} is not a public address, and nothing is posted to such"
        return fail(NAME, told, "if this is intended, set allow_private: true for it")
    trust = trust_of(receiver, endpoint) if parts.scheme == "https" else None
    reached = reach(host, port, trust)
    if reached.wrong:
        return fail(
            NAME, f"{who}: {reached.wrong}", reached.remedy.replace("tls: {ca: …}", f"{receiver.kind}: {{ca: …}}")
        )
    return ok(NAME, f"{who}: accepts connections")

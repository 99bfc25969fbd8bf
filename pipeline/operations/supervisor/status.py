"""The values of the status line, from the metrics of all processes of `up`, while the worker answers."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from dataclasses import dataclass
from pathlib import Path

from pipeline.base.metrics_text import ALERTS, CONNECTIONS, LAG, MESSAGES, sum_of
from pipeline.base.quantities import Address

_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """Counts since the start, and current values."""

    messages: float
    alerts: float  # alerts that began to fire
    lag_s: float
    connections: float


def status_in(metrics: str) -> WorkerStatus:
    """The values of a page of metrics; a missing value is 0."""
    return WorkerStatus(
        messages=sum_of(metrics, MESSAGES),
        alerts=sum_of(metrics, ALERTS, 'status="firing"'),
        lag_s=sum_of(metrics, LAG),
        connections=sum_of(metrics, CONNECTIONS),
    )


def _believing_anyone() -> ssl.SSLContext:
    """A TLS context without verification, for our own child.

    Its certificate may be for another name, and no secret is sent.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def ask(address: Address, metrics: Path, *, is_secure: bool = False) -> WorkerStatus | None:
    """The values in the folder `metrics`, or None while the worker does not answer at this HTTP address."""
    try:
        return await asyncio.to_thread(_ask, address, metrics, is_secure=is_secure)
    except (OSError, http.client.HTTPException, ValueError):
        return None


def _ask(address: Address, metrics: Path, *, is_secure: bool) -> WorkerStatus:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=_TIMEOUT_S)
    if is_secure:
        connection = http.client.HTTPSConnection(
            address.host, address.port, timeout=_TIMEOUT_S, context=_believing_anyone()
        )
    try:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    finally:
        connection.close()
    from pipeline.base.metrics_files import page_of  # noqa: PLC0415  # only where there is a terminal

    return status_in(page_of(metrics).decode())

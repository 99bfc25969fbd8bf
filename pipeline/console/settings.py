"""What the console needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.base.quantities import Address
from pipeline.base.web_hosts import AnsweredHosts


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """Where it listens, and which API it asks.

    certificate, key  of its own HTTPS, PEM; None: HTTP
    hosts             for which it answers; None: any
    trusted           a certificate that the API may have whatever its name, as it is ours; None: the usual authorities
    """

    address: Address
    api: str
    hosts: AnsweredHosts | None = None
    certificate: Path | None = None
    key: Path | None = None
    trusted: Path | None = None

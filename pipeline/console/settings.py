"""What the console needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.base.quantities import Address


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """Where it listens, and which API it asks.

    certificate, key  of its own HTTPS, PEM; None: HTTP
    trusted           a certificate that the API may have whatever its name, as it is ours; None: the usual authorities
    """

    address: Address
    api: str
    certificate: Path | None = None
    key: Path | None = None
    trusted: Path | None = None

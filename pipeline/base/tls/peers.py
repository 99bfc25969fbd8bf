"""The identity of a client, from the certificate that its handshake verified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def common_name(certificate: Mapping[str, Any] | None) -> str | None:
    """The common name of the subject of `SSLObject.getpeercert()`.

    None without a certificate, and if the subject has no common name or several, because then it would be ambiguous.
    """
    parts = (part for group in (certificate or {}).get("subject", ()) for part in group)
    names = [str(value) for key, value in parts if key == "commonName"]
    return names[0] if len(names) == 1 and names[0] else None

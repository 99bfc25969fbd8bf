"""Who a client is, by the certificate that its handshake verified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def common_name(certificate: Mapping[str, Any] | None) -> str | None:
    """The one common name of the subject of `SSLObject.getpeercert()`; None without a certificate, and where the
    subject has none or several: it would be open which of them is meant.
    """
    parts = (part for group in (certificate or {}).get("subject", ()) for part in group)
    names = [str(value) for key, value in parts if key == "commonName"]
    return names[0] if len(names) == 1 and names[0] else None

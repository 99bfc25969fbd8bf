"""The headers of Standard Webhooks.

All attempts of an event have the same `webhook-id`, by which a receiver recognises repeats. The timestamp, and so the
signature, differ from attempt to attempt. A receiver without a secret gets no signature, one with several gets one for
each: so that it can change its secret without missing anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook


def headers_of(
    delivery_id: str, body: bytes, signers: Sequence[Webhook], now_ns: int, content_type: str = "application/json"
) -> dict[str, str]:
    """The headers of an attempt made at `now_ns`."""
    seconds = now_ns // 1_000_000_000
    headers = {
        "content-type": content_type,
        "user-agent": "Streamgauge",
        "accept-encoding": "identity",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(seconds),
    }
    if signers:
        moment, text = datetime.fromtimestamp(seconds, UTC), body.decode("utf-8")
        headers["webhook-signature"] = " ".join(signer.sign(delivery_id, moment, text) for signer in signers)
    return headers

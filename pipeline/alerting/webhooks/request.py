"""The request that delivers an event: the queued body, and the headers of Standard Webhooks.

All attempts of an event have the same `webhook-id`, by which a receiver recognises repeats. The timestamp, and so the
signature, differ from attempt to attempt. A receiver without a secret gets no signature.
"""

from __future__ import annotations

from datetime import UTC, datetime

from standardwebhooks import Webhook


def headers_of(delivery_id: str, body: bytes, signer: Webhook | None, now_ns: int) -> dict[str, str]:
    """The headers of an attempt made at `now_ns`."""
    seconds = now_ns // 1_000_000_000
    headers = {
        "content-type": "application/json",
        "user-agent": "Streamgauge",
        "accept-encoding": "identity",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(seconds),
    }
    if signer is not None:
        moment = datetime.fromtimestamp(seconds, UTC)
        headers["webhook-signature"] = signer.sign(delivery_id, moment, body.decode("utf-8"))
    return headers

"""Verifies AWS Signature Version 4: the client signs with an account's token as its secret access key.

Follows "Create a signed AWS API request" of the AWS IAM user guide. Pure; the current time is an argument.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

ALLOWED_SKEW_S = 15 * 60  # as AWS
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,\s]+)/(?P<scope>(?P<date>\d{8})/(?P<region>[^/,\s]+)"
    r"/(?P<service>[^/,\s]+)/aws4_request),\s*SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class Signed:
    """The parts of a signed request's Authorization header."""

    access_key: str
    scope: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str


def parse(authorization: str) -> Signed | None:
    """The parts of a SigV4 Authorization header, or None if it is not one."""
    match = _AUTHORIZATION.fullmatch(authorization.strip())
    if match is None:
        return None
    return Signed(
        match["key"],
        match["scope"],
        match["date"],
        match["region"],
        match["service"],
        tuple(match["headers"].split(";")),
        match["signature"],
    )


def is_valid(
    signed: Signed, secrets: Iterable[str], headers: Mapping[str, str], body: bytes, now_ns: int, *, path: str = "/"
) -> bool:
    """Whether a POST without a query string was signed with one of `secrets`, and recently.

    Header names are lower case.
    """
    stamp = headers.get("x-amz-date", "")
    try:
        sent = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return False
    if abs(now_ns / 1e9 - sent) > ALLOWED_SKEW_S or not stamp.startswith(signed.date):
        return False
    lines = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in signed.signed_headers)
    canonical = "\n".join(("POST", path, "", lines, ";".join(signed.signed_headers), hashlib.sha256(body).hexdigest()))
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, signed.scope, hashlib.sha256(canonical.encode()).hexdigest()))
    return any(hmac.compare_digest(_sign(secret, signed, text), signed.signature) for secret in secrets)


def _sign(secret: str, signed: Signed, text: str) -> str:
    key = b"AWS4" + secret.encode()
    for part in (signed.date, signed.region, signed.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()

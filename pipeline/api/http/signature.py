"""Verifies AWS Signature Version 4: the client signs with an account's token as its secret access key.

Pure; the current time is an argument.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.base.sigv4 import ALGORITHM, STAMP, Scope, signature

ALLOWED_SKEW_S = 15 * 60  # as AWS
_AUTHORIZATION = re.compile(
    ALGORITHM
    + r" Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/aws4_request,"
    r"\s*SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class Signed:
    """The parts of a signed request's Authorization header."""

    access_key: str
    scope: Scope
    signed_headers: tuple[str, ...]
    signature: str


def parse(authorization: str) -> Signed | None:
    """The parts of a SigV4 Authorization header, or None if it is not one."""
    match = _AUTHORIZATION.fullmatch(authorization.strip())
    if match is None:
        return None
    scope = Scope(match["date"], match["region"], match["service"])
    return Signed(match["key"], scope, tuple(match["headers"].split(";")), match["signature"])


def is_valid(
    signed: Signed, secrets: Iterable[str], headers: Mapping[str, str], body: bytes, now_ns: int, *, path: str = "/"
) -> bool:
    """Whether a POST without a query string was signed with one of `secrets`, and recently.

    Header names are lower case.
    """
    stamp = headers.get("x-amz-date", "")
    try:
        sent = datetime.strptime(stamp, STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return False
    if abs(now_ns / 1e9 - sent) > ALLOWED_SKEW_S or not stamp.startswith(signed.scope.date):
        return False
    made = (signature(secret, signed.scope, stamp, signed.signed_headers, headers, body, path) for secret in secrets)
    return any(hmac.compare_digest(one, signed.signature) for one in made)

"""AWS Signature Version 4 of a POST without a query string. Pure.

Follows "Create a signed AWS API request" of the AWS IAM user guide.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

ALGORITHM = "AWS4-HMAC-SHA256"
STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature is for; `date` is its day, as 20261123."""

    date: str
    region: str
    service: str

    @property
    def text(self) -> str:
        """As it stands in the header."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key; `session_token` if it is a temporary one."""

    access_key: str
    secret: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def signature(
    secret: str,
    scope: Scope,
    stamp: str,
    signed: Iterable[str],
    headers: Mapping[str, str],
    body: bytes,
    path: str = "/",
) -> str:
    """The signature over the `signed` headers, whose names are in lower case, and the body; `stamp` is `x-amz-date`."""
    names = tuple(signed)
    lines = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in names)
    canonical = "\n".join(("POST", path, "", lines, ";".join(names), hashlib.sha256(body).hexdigest()))
    text = "\n".join((ALGORITHM, stamp, scope.text, hashlib.sha256(canonical.encode()).hexdigest()))
    key = b"AWS4" + secret.encode()
    for part in (scope.date, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def signed_headers(
    credentials: Credentials, region: str, service: str, headers: Mapping[str, str], body: bytes, now_ns: int
) -> dict[str, str]:
    """`headers` (in lower case, with `host`), and those that sign them."""
    stamp = datetime.fromtimestamp(now_ns / 1e9, UTC).strftime(STAMP)
    all_headers = {**headers, "x-amz-date": stamp}
    if credentials.session_token is not None:
        all_headers["x-amz-security-token"] = credentials.session_token
    names, scope = sorted(all_headers), Scope(stamp[:8], region, service)
    found = signature(credentials.secret, scope, stamp, names, all_headers, body)
    key = f"Credential={credentials.access_key}/{scope.text}"
    authorization = f"{ALGORITHM} {key}, SignedHeaders={';'.join(names)}, Signature={found}"
    return {**all_headers, "authorization": authorization}

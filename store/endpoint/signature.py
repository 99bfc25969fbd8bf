"""The region in a SigV4 `Authorization` header. This module parses the header; other code verifies it.

`AWS4-HMAC-SHA256 Credential=<access key>/<date>/<region>/timestream/aws4_request, SignedHeaders=…, Signature=…`
"""

from __future__ import annotations

import re
from collections.abc import Mapping

DEFAULT_REGION = "us-east-1"

_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256\s+(?:.*,\s*)?Credential=[^/,\s]+/\d{8}/([^/,\s]+)/[^/,\s]+/aws4_request")


def region_of(headers: Mapping[str, str]) -> str:
    """The region that a request is signed for."""
    match = _CREDENTIAL.match(headers.get("authorization", ""))
    return match[1] if match else DEFAULT_REGION

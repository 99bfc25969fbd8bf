"""DescribeEndpoints: where clients that discover their endpoint are sent, which is back here.

SDKs disagree on what an address is: the JavaScript SDK takes it for a bare host name (port and scheme stay as they
are); botocore needs a scheme for plain HTTP, and the others take either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

CACHE_MINUTES = 1440  # as the service answers

_PORT = re.compile(r":\d+$")
_BARE_HOST_AGENTS = ("aws-sdk-js/",)


def describe_endpoints(headers: Mapping[str, str]) -> dict[str, object]:
    """The answer for a client with these headers (names in lower case)."""
    host = headers.get("host", "127.0.0.1")
    agents = f"{headers.get('user-agent', '')} {headers.get('x-amz-user-agent', '')}"
    if any(agent in agents for agent in _BARE_HOST_AGENTS):
        address = _PORT.sub("", host)
    else:
        address = f"{headers.get('x-forwarded-proto', 'http')}://{host}"
    return {"Endpoints": [{"Address": address, "CachePeriodInMinutes": CACHE_MINUTES}]}

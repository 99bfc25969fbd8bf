"""DescribeEndpoints: the address for clients that discover their endpoint, which is this server.

SDKs define an address differently: the JavaScript SDK expects only a host name (port and scheme remain unchanged);
botocore needs a scheme for plain HTTP, and the others accept both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

CACHE_MINUTES = 1440  # as in the service

_PORT = re.compile(r":\d+$")
_BARE_HOST_AGENTS = ("aws-sdk-js/",)


def describe_endpoints(headers: Mapping[str, str]) -> dict[str, object]:
    """The response for a client with these headers (names in lower case)."""
    host = headers.get("host", "127.0.0.1")
    agents = f"{headers.get('user-agent', '')} {headers.get('x-amz-user-agent', '')}"
    if any(agent in agents for agent in _BARE_HOST_AGENTS):
        address = _PORT.sub("", host)
    else:
        address = f"{headers.get('x-forwarded-proto', 'http')}://{host}"
    return {"Endpoints": [{"Address": address, "CachePeriodInMinutes": CACHE_MINUTES}]}

"""Which addresses a webhook may be sent to: public ones, unless its receiver has `allow_private: true`.

The host name in a URL may belong to anybody. Without this check, its owner could let it resolve to 127.0.0.1,
10.0.0.0/8 or 169.254.169.254, and so post to this machine, its network or the cloud's metadata service (server-side
request forgery). An IPv6 address that contains an IPv4 address is judged by the latter.
"""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052


def is_public(address: str) -> bool:
    """Whether `address`, as the resolver gives it, belongs to the public internet."""
    real = _inner(ipaddress.ip_address(address))
    return real.is_global and not real.is_multicast


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address contains, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address

"""Which addresses a webhook may be sent to: public ones, unless its receiver has `allow_private: true`.

A receiver's URL may be anyone's; without this, a name that resolves to 127.0.0.1, 10.0.0.0/8 or 169.254.169.254 would
let its owner post into this machine, its network, or the cloud's metadata service (server-side request forgery). IPv6
addresses that carry an IPv4 address are judged by that.
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
    """The IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address

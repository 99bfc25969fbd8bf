"""Which addresses a webhook may be sent to: public ones, unless its receiver has `allow_private: true`.

The host name in a URL may belong to anybody. Without this check, its owner could let it resolve to 127.0.0.1,
10.0.0.0/8 or 169.254.169.254, and so post to this machine, its network or the cloud's metadata service (server-side
request forgery). An IPv6 address that contains an IPv4 address is judged by the latter.

Source: IANA's special-purpose address registries; `ipaddress` of Python 3.11 lacks some of their entries.
"""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_UNICAST = ipaddress.IPv6Network("2000::/3")  # all that is assigned to the public internet (RFC 4291)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_TRANSLATED = ipaddress.IPv6Network("::ffff:0:0:0/96")  # RFC 2765
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291, 2.5.5.1
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214: before the IPv4 address in the second half
_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        (
            "2001::/23",  # IETF protocols, among them Teredo, which contains two IPv4 addresses
            "3fff::/20",  # documentation, RFC 9637
            "192.0.0.0/24",  # IETF protocols; Oracle's clouds have their metadata service there
            "192.88.99.0/24",  # the relay of 6to4, RFC 7526
            "168.63.129.16/32",  # Azure's host, which has this address in every virtual network there
        ),
    )
)


def is_public(address: str) -> bool:
    """Whether `address`, as the resolver gives it, belongs to the public internet."""
    found = ipaddress.ip_address(address)
    inner = _inner(found)
    if inner is None:
        return _is_public(found)
    has_public_form = found in _NAT64 or found in _UNICAST or found.ipv4_mapped is not None  # type: ignore[union-attr]
    return has_public_form and _is_public(inner)


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST:
        return False
    of_kind = (network for network in _NOT_PUBLIC if network.version == address.version)
    return address.is_global and not address.is_multicast and not any(address in network for network in of_kind)


def _inner(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address contains, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    bits = int(address)
    if any(address in network for network in (_NAT64, _TRANSLATED, _COMPATIBLE)) or bits >> 32 & 0xFFFFFFFF in _ISATAP:
        return ipaddress.IPv4Address(bits & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour

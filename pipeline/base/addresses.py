"""Which addresses count as one client: for limits per address. Pure."""

from __future__ import annotations

import ipaddress

_NETWORK_BITS = 64  # what one customer has at least (RFC 6177): any address in it is free of charge


def client_of(address: str) -> str:
    """The address of an IPv4 client, also if it is mapped to IPv6; of an IPv6 client its network of 64 bits."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address  # of a socket without an IP address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    mapped = found.ipv4_mapped
    return str(ipaddress.ip_network((found, _NETWORK_BITS), strict=False)) if mapped is None else str(mapped)

"""Which hosts and origins a server answers that asks for no token, so that no web page can use it behind one's back.

The name of a hostile page can lead to this machine a moment after the page was loaded (DNS rebinding). The browser then
takes what is answered here for the page's own, and only the header Host still has the name. An IP address in it is
harmless, as no name was looked up; so is a name without a dot, of a service or an upstream of a proxy, as the public
DNS has none. Forms and scripts of other pages can be sent here without that, but not read; the header Origin says where
they come from. https://www.rfc-editor.org/rfc/rfc6761#section-6.3 on localhost.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

LOCALHOST = "localhost"
READING = frozenset({"GET", "HEAD", "OPTIONS"})  # methods that change nothing
SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class AnsweredHosts:
    """The names of a server, besides IP addresses and names without a dot. Lower case, without port."""

    names: frozenset[str]

    @classmethod
    def of(cls, names: Iterable[str]) -> AnsweredHosts:
        """These names."""
        return cls(frozenset(filter(None, map(host_of, names))))

    def refusal(self, host: str | None) -> str | None:
        """Why a request with this header Host is not answered; None: it is. Browsers always send one."""
        if host is None or self._has(host_of(host)):
            return None
        names = "".join(f", {name}" for name in sorted(self.names - {LOCALHOST}) if not _is_ip_address(name))
        return (
            f"Host: {host[:SHOWN_CHARACTERS]} is not a name of this server, which asks for no token and answers for "
            f"names without a dot, IP addresses, localhost{names}; further names are listed in http.hosts of its "
            "streamgauge.yaml"
        )

    def _has(self, host: str) -> bool:
        is_local = "." not in host or host.endswith(f".{LOCALHOST}")
        return bool(host) and (is_local or host in self.names or _is_ip_address(host))


def origin_refusal(method: str, origin: str | None, host: str | None, allowed: Collection[str]) -> str | None:
    """Why a request of a web page is not answered; None: it is, as it changes nothing or the page is ours or allowed.

    allowed  other origins; "*" for all
    """
    if method in READING or origin is None or origin in allowed or "*" in allowed:
        return None
    if is_page_of(origin, host):
        return None
    return (
        f"Origin: {origin[:SHOWN_CHARACTERS]} may not change anything: pages of this server may, and those in "
        "http.cors_origins of its streamgauge.yaml"
    )


def is_page_of(origin: str | None, host: str | None) -> bool:
    """Whether the page with this header Origin is one of the server that is asked by this header Host."""
    if origin is None or host is None:
        return False
    _, separator, authority = origin.partition("://")
    return bool(separator) and authority.lower() == host.lower()


def host_of(authority: str) -> str:
    """The host of `host:port`, lower case, without brackets and the last dot; "" if there is none."""
    try:
        return (urlsplit(f"//{authority}").hostname or "").removesuffix(".")
    except ValueError:  # brackets around what is no address
        return ""


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

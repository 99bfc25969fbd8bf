"""Whatever form an address has, a webhook goes to the public internet alone, and to the address that was judged."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Iterator, Sequence

import httpx

from pipeline.alerting.receivers.addresses import is_public
from pipeline.alerting.receivers.transport import CheckedTransport

PRIVATE = (
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254"),
    *("168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1"),
    *("192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250"),
    *("240.0.0.1", "255.255.255.255"),
)
PUBLIC = ("8.8.8.8", "1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "192.0.1.1", "11.0.0.1")
PRIVATE_6 = (
    *("::", "::1", "fe80::1", "fe80::1%1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1"),
    *("100::1", "100:0:0:1::1", "2001::1", "2001:db8::1", "2001:10::1", "3fff::1", "5f00::1", "64:ff9b:1::808:808"),
    *("4000::1", "::8.8.8.8", "::ffff:0:8.8.8.8", "2001:0:7f00:1::"),
)
PUBLIC_6 = ("2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450::1")


def within_ipv6(address: str) -> Iterator[str]:
    """Forms of IPv6 that contain this IPv4 address, and reach it where they are translated."""
    low = int(ipaddress.IPv4Address(address))
    high, rest = f"{low >> 16:x}", f"{low & 0xFFFF:x}"
    yield f"::ffff:{address}"
    yield f"::FFFF:{high}:{rest}"
    yield f"64:ff9b::{address}"
    yield f"64:ff9b::{high}:{rest}"
    yield f"2002:{high}:{rest}::"
    yield f"2002:{high}:{rest}::1"
    yield f"2a00:1450::5efe:{address}"


def spelt(address: str) -> Iterator[str]:
    """Hosts of URLs that the resolver reads as this IPv4 address."""
    number = int(ipaddress.IPv4Address(address))
    parts = address.split(".")
    yield address
    yield address + "."
    yield str(number)
    yield hex(number)
    yield f"0{number:o}"
    yield ".".join(hex(int(part)) for part in parts)
    yield ".".join(f"0{int(part):o}" for part in parts)
    yield f"{parts[0]}.{number & 0xFFFFFF}"
    yield f"{parts[0]}.{parts[1]}.{number & 0xFFFF}"
    yield f"{hex(int(parts[0]))}.{parts[1]}.{number & 0xFFFF}"
    yield "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in address)  # full width
    yield address.replace(".", "\u3002")
    yield f"alice:secret@{address}"
    yield f"8.8.8.8:80@{address}"
    yield f"8.8.8.8#@{address}"
    yield f"8.8.8.8\\@{address}"
    yield f"%31{address[1:]}" if address[0] == "1" else address


def urls() -> Iterator[str]:
    for address in PRIVATE:
        for host in spelt(address):
            yield f"http://{host}/hook"
        for host in within_ipv6(address):
            yield f"http://[{host}]:8080/hook"
    for host in PRIVATE_6:
        yield f"https://[{host}]/hook"
    for host in ("localhost", "LOCALHOST.", "localhost.localdomain", "ip6-localhost", "", ".", "a..b", "x" * 300):
        yield f"http://{host}/hook"


async def numeric(host: str, port: int) -> Sequence[str]:
    """What the system's resolver makes of a host without asking DNS; names of this machine are 127.0.0.1."""
    if host.rstrip(".").lower().startswith(("localhost", "ip6-localhost")):
        return ["127.0.0.1"]
    found = socket.getaddrinfo(host.rstrip("."), port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return [str(sockaddr[0]) for *_, sockaddr in found]


def transport(resolve: object = numeric) -> tuple[CheckedTransport, list[str]]:
    """A transport that connects to nothing, and the hosts to which it would have."""
    made = CheckedTransport(allow_private=False, ssl_context=ssl.create_default_context(), resolve=resolve)  # type: ignore[arg-type]
    hosts: list[str] = []

    async def handle(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(204)

    made._inner.handle_async_request = handle  # type: ignore[method-assign]
    return made, hosts


async def test_no_spelling_of_a_private_address_is_posted_to() -> None:
    made, hosts = transport()
    tried = list(dict.fromkeys(urls()))

    async with httpx.AsyncClient(transport=made, trust_env=False) as client:
        for url in tried:
            with contextlib.suppress(httpx.ConnectError, httpx.InvalidURL, httpx.UnsupportedProtocol):
                await client.post(url)
            if hosts == ["8.8.8.8"]:  # the part before # or \ is the host: it is public
                assert "#" in url or "\\" in url
                hosts.clear()
            assert hosts == [], url

    assert len(tried) >= 500


async def test_every_spelling_of_a_public_address_is_posted_to_the_address_that_was_judged() -> None:
    made, hosts = transport()
    expected = []

    async with httpx.AsyncClient(transport=made, trust_env=False) as client:
        for address in PUBLIC:
            for host in [address, *list(spelt(address))[2:10], *(f"[{six}]" for six in within_ipv6(address))]:
                with contextlib.suppress(httpx.InvalidURL):  # it does not take zeros before a decimal number
                    await client.post(f"http://{host}/hook")
                    expected.append(address if "[" not in host else str(ipaddress.ip_address(host[1:-1])))

    assert [str(ipaddress.ip_address(host)) for host in hosts] == expected
    assert len(expected) > 80


def test_what_is_public_and_what_is_not() -> None:
    private = [*PRIVATE, *PRIVATE_6, *(six for of in PRIVATE for six in within_ipv6(of))]
    public = [*PUBLIC, *PUBLIC_6, *(six for of in PUBLIC for six in within_ipv6(of))]

    assert [address for address in private if is_public(address)] == []
    assert [address for address in public if not is_public(address)] == []


async def test_a_name_that_changes_its_mind_is_judged_and_connected_to_at_one_address() -> None:
    answers = iter(["8.8.8.8", "127.0.0.1", "8.8.4.4", "10.0.0.1"])

    async def rebinding(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(0)
        return [next(answers)]

    made, hosts = transport(rebinding)
    outcomes = []
    async with httpx.AsyncClient(transport=made, trust_env=False) as client:
        for _ in range(4):
            try:
                outcomes.append((await client.post("https://hooks.example/")).status_code)
            except httpx.ConnectError:
                outcomes.append(0)

    assert outcomes == [204, 0, 204, 0]
    assert hosts == ["8.8.8.8", "8.8.4.4"]

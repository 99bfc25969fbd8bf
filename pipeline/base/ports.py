"""The ports of `up`: checks that they are free, names the process that holds one, and reserves them.

A port is reserved by a socket that is bound with SO_REUSEPORT and does not listen. The children bind with SO_REUSEPORT
too and can listen on it; nobody else gets it while one of them restarts; and no connection is given to it, because
Linux spreads connections over listening sockets only.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.base.errors import PortTaken
from pipeline.base.process import describe
from pipeline.base.quantities import Address

_OPTIONS = {"listener.address": "--mqtt", "http.address": "--http", "console.address": "--console"}  # of `up`
_TRIED = 20  # how many ports after one that is taken
_LISTENING = "0A"  # TCP_LISTEN in /proc/net/tcp: include/net/tcp_states.h


@contextmanager
def taken_ports_explained(address: Address, setting: str) -> Iterator[None]:
    """A server binds `address` inside.

    If the port is taken, PortTaken names the process and the `setting` to change.
    """
    try:
        yield
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortTaken(_refusal(address, setting, error)) from error


def reserve(address: Address, setting: str) -> tuple[socket.socket, Address]:
    """A socket that reserves `address`, and the address with its port (for port 0 a free one).

    Raises PortTaken if another process has the port or the address is not of this machine; `setting` is named as the
    one to change.
    """
    try:
        family, sockaddr = _resolve(address)
        if address.port:
            _probe(family, sockaddr)
        reserved = _bind(family, sockaddr)
    except OSError as error:
        raise PortTaken(_refusal(address, setting, error)) from error
    return reserved, Address(address.host, reserved.getsockname()[1])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. SO_REUSEPORT, because `up` keeps the port reserved while this process restarts."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(1024)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _resolve(address: Address) -> tuple[int, tuple[str, int]]:
    family, _, _, _, sockaddr = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    return family, (str(sockaddr[0]), int(sockaddr[1]))


def _probe(family: int, sockaddr: tuple[str, int]) -> None:
    """Raise OSError if a process has the port.

    Without SO_REUSEPORT, because with it another `up` of this user would not be noticed. With SO_REUSEADDR, because
    without it connections of a server that has just ended would count.
    """
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(sockaddr)


def _bind(family: int, sockaddr: tuple[str, int]) -> socket.socket:
    reserved = socket.socket(family, socket.SOCK_STREAM)
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            reserved.bind(sockaddr)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            # Connections of a server without SO_REUSEPORT that has just ended. Only then, because with SO_REUSEADDR
            # another `up` would not notice this socket while no child listens.
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.bind(sockaddr)
    except OSError:
        reserved.close()
        raise
    return reserved


def _refusal(address: Address, setting: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        holders = [describe(pid) for pid in holders_of(address.port)]
        who = " and ".join(holders) or "a process that this user may not look at"
        taken = f"{setting}: port {address.port} of {address.host} is taken by {who}"
        return f"{taken}; end it, or use {_instead(address, setting)}"
    return f"{setting}: cannot listen on {address}: {error.strerror or error}"


def _instead(address: Address, setting: str) -> str:
    """The hint for another start: an address with a free port, as an option if one sets it."""
    free = next((other for other in _next_to(address) if _is_free(other)), None)
    if free is None:
        return "another port"
    return f"{_OPTIONS[setting]} {free}" if setting in _OPTIONS else str(free)


def _next_to(address: Address) -> Iterator[Address]:
    for port in range(address.port + 1, min(address.port + _TRIED, 65_535) + 1):
        yield Address(address.host, port)


def _is_free(address: Address) -> bool:
    try:
        _probe(*_resolve(address))
    except OSError:
        return False
    return True


def holders_of(port: int) -> list[int]:
    """The processes that listen on this TCP port of this machine, as far as this user may read /proc."""
    wanted = {f"socket:[{inode}]" for inode in _inodes_of(port)}
    return [pid for pid in _pids() if wanted & _open_files(pid)] if wanted else []


def _inodes_of(port: int) -> set[str]:
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if table.exists():
            for line in table.read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(fields[9])
    return found


def _pids() -> list[int]:
    proc = Path("/proc")
    return sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()) if proc.exists() else []


def _open_files(pid: int) -> set[str]:
    found = set()
    try:
        for file in Path(f"/proc/{pid}/fd").iterdir():
            found.add(str(file.readlink()))
    except OSError:
        return found  # the process has ended, or belongs to another user
    return found

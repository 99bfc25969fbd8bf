"""Threads whose sockets reach public addresses alone, whatever code runs in them.

A library that opens its connections itself resolves a name again after it was checked, follows redirects, and heeds
proxies of the environment. Python tells of each address before a socket is connected or sends to it, and lets the hook
refuse it (PEP 578, `socket.connect`), so what is judged is what would be reached. A hook cannot be taken away: it is
added when it is needed first, and then costs a tenth of a microsecond at each audited event.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from pipeline.alerting.receivers.addresses import is_public

_EVENTS = frozenset(("socket.connect", "socket.sendto", "socket.sendmsg"))
_thread = threading.local()


class NotPublic(PermissionError):
    """A socket was to reach an address that is not public."""


@contextmanager
def public_sockets() -> Iterator[list[str]]:
    """Within the block sockets of this thread reach public addresses alone: others raise NotPublic, and are yielded.

    Not of threads that are started in it. A host name in place of an address is not public.
    """
    _add_hook()
    refused: list[str] = []
    _thread.refused = refused
    try:
        yield refused
    finally:
        del _thread.refused


@cache
def _add_hook() -> None:
    sys.addaudithook(_judge)


def _judge(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _EVENTS or not hasattr(_thread, "refused"):
        return
    address = arguments[1]
    if address is None:  # of a socket that is connected
        return
    host = address[0] if isinstance(address, tuple) else address  # a path, of a Unix socket
    if not _is_public(host):
        _thread.refused.append(str(host))
        raise NotPublic(f"{host} is not a public address")


def _is_public(host: object) -> bool:
    try:
        return isinstance(host, str) and is_public(host)
    except ValueError:  # a name
        return False

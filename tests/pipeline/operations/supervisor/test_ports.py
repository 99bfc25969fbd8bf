"""What `up` says of a port that somebody has."""

from __future__ import annotations

import re
import socket

import pytest

from pipeline.base.errors import PortTaken
from pipeline.base.ports import reserve
from pipeline.base.quantities import Address


def test_a_refused_port_is_told_with_an_address_that_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(PortTaken) as refused:
            reserve(Address("127.0.0.1", port), "http.address")

    named = re.search(r"; end it, or use --http 127\.0\.0\.1:(\d+)$", str(refused.value))
    assert named is not None, str(refused.value)
    assert port < int(named[1]) <= port + 20


def test_after_the_last_port_none_is_proposed() -> None:
    with socket.socket() as holder:
        try:
            holder.bind(("127.0.0.1", 65_535))
            holder.listen()
        except OSError:
            pass  # somebody else has it, which is as good
        with pytest.raises(PortTaken, match=r"end it, or use another port$"):
            reserve(Address("127.0.0.1", 65_535), "listener.metrics")

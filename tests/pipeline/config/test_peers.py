"""The section `peers`, and when it is needed."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.config.model import Config

HTTP = 'http: {tokens: [{token: "a-token-of-somebody", account: farm-7}]}\n'


def test_workers_that_guard_http_need_a_token_among_themselves(refuses: Callable[..., list[str]]) -> None:
    """Without one, whoever reaches the port could ask as a worker does, for every account."""
    (line,) = refuses(f"log: kafka://127.0.0.1\n{HTTP}")

    assert "peers.token" in line
    assert "is needed" in line


def test_nothing_is_needed_where_there_are_no_other_workers_or_nothing_is_guarded(
    loads: Callable[..., Config],
) -> None:
    assert loads(HTTP).peers.token is None
    assert loads("log: kafka://127.0.0.1\n").peers.token is None


def test_the_token_is_masked(loads: Callable[..., Config]) -> None:
    config = loads(f'log: kafka://127.0.0.1\n{HTTP}peers: {{token: "known-to-workers-only"}}\n')

    assert config.peers.token is not None
    assert "known-to-workers-only" not in repr(config)


def test_a_short_token_is_refused(refuses: Callable[..., list[str]]) -> None:
    (line,) = refuses('peers: {token: "short"}\n')

    assert "peers.token" in line
    assert "at least 16" in line
    assert "short" not in line.split("peers.token")[1]

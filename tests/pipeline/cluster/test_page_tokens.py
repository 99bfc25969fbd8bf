"""A page token leads to the worker that gave it, and a made-up one nowhere."""

from __future__ import annotations

import base64

import pytest

from pipeline.cluster.pages import PageTokens

ONE, OTHER = (PageTokens(f"http://worker-{name}:8080", "secret") for name in "ab")


def test_a_token_of_another_worker_names_it() -> None:
    token = f"{OTHER.prefix}abc-_="

    assert ONE.owner_of(token) == "http://worker-b:8080"
    assert OTHER.owner_of(token) is None


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "abc",
        "é.é.é",
        "\ud800.a.b",
        f"{base64.urlsafe_b64encode(b'http://evil:1').decode()}.{OTHER.prefix.split('.')[1]}.abc",
        f"{base64.urlsafe_b64encode(b'http://evil:1').decode()}..abc",
        f"{PageTokens('http://evil:1', 'guessed').prefix}abc",
    ],
)
def test_nobody_is_asked_whom_a_made_up_token_names(token: str) -> None:
    assert ONE.owner_of(token) is None

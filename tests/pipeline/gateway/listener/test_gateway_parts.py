"""The small parts of the gateway by themselves."""

from __future__ import annotations

import logging
import resource

import pytest
from pydantic import SecretStr

from pipeline.base.quantities import Address
from pipeline.config import Config
from pipeline.config.model import Listener
from pipeline.config.model import User as ConfigUser
from pipeline.gateway.listener.accounts import Accounts
from pipeline.gateway.listener.limited_warnings import EVERY_S, LimitedWarnings
from pipeline.gateway.listener.settings import User
from pipeline.gateway.listener.wheel import SLOTS, Wheel
from pipeline.gateway.open_files import RESERVED, raise_limit
from pipeline.gateway.run import listener_settings


@pytest.mark.parametrize("turns", [1, 2, SLOTS - 1])
def test_an_item_comes_up_after_its_turns_and_not_before(turns: int) -> None:
    wheel: Wheel[str] = Wheel()
    wheel.put("a", turns)

    assert not any(wheel.turn() for _ in range(turns - 1))
    assert wheel.turn() == {"a"}
    assert not any(wheel.turn() for _ in range(SLOTS))


def test_an_item_later_than_a_round_comes_up_early_and_never_late() -> None:
    wheel: Wheel[str] = Wheel()
    wheel.put("a", SLOTS * 5)

    assert not any(wheel.turn() for _ in range(SLOTS - 2))
    assert wheel.turn() == {"a"}


def test_a_removed_item_does_not_come_up() -> None:
    wheel: Wheel[str] = Wheel()
    slot = wheel.put("a", 3)
    wheel.remove("a", slot)
    wheel.remove("a", slot)

    assert not any(wheel.turn() for _ in range(SLOTS))


@pytest.mark.parametrize(
    ("username", "password", "account"),
    [
        ("u", b"right", "farm"),
        ("u", b"wrong", None),
        ("u", b"", None),
        ("u", None, None),
        ("", b"right", None),
        (None, None, None),
        ("v", b"right", None),
        ("ü", "pässword".encode(), "lab"),
    ],
)
def test_only_the_right_password_of_a_user_gives_its_account(
    username: str | None, password: bytes | None, account: str | None
) -> None:
    accounts = Accounts([User("u", "right", "farm"), User("ü", "pässword", "lab")])

    assert accounts.account_of(username, password) == account


def test_passwords_stand_in_no_repr() -> None:
    assert "secret" not in repr(User("u", "secret", "farm"))


def test_a_kind_of_complaint_is_logged_once_in_a_while_with_how_many_there_were(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now_s = 0.0
    warnings = LimitedWarnings(lambda: now_s)
    with caplog.at_level(logging.WARNING):
        for _ in range(1_000):
            warnings.warn("bad packet", "what")
        warnings.warn("another kind", "what")
        now_s = EVERY_S
        warnings.warn("bad packet", "what")

    assert [record.getMessage() for record in caplog.records] == [
        "bad packet: what",
        "another kind: what",
        "bad packet: what (and 999 more of this kind since the last such line)",
    ]


def test_the_limit_of_open_files_is_raised_to_the_hard_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
    try:
        connections = raise_limit()

        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
        assert connections == hard - RESERVED
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_configuration_says_where_to_listen_and_whom_to_let_in() -> None:
    user = ConfigUser(username="u", password=SecretStr("right"), account="farm")
    config = Config(listener=Listener(address=Address("::1", 1884), users=(user,)))

    settings = listener_settings(config)

    assert (settings.host, settings.port, settings.users) == ("::1", 1884, (User("u", "right", "farm"),))

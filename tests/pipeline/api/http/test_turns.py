"""Accounts take turns in the slots for queries, and none can have all of them."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from pipeline.api.http.turns import Limits, Turns

LIMITS = Limits(slots=4, per_account=2, waiting=6, waiting_per_account=4)


def turns_of(*names: str) -> Turns[str]:
    """`names` have asked in this order; the account of `a1` is `a`."""
    turns: Turns[str] = Turns(LIMITS)
    for name in names:
        turns.ask(name[0], name)
    return turns


def served(turns: Turns[str]) -> Iterator[str]:
    while (name := turns.next()) is not None:
        yield name


def test_an_account_has_at_most_its_share_of_slots() -> None:
    assert list(served(turns_of("a1", "a2", "a3"))) == ["a1", "a2"]


def test_the_last_slot_is_for_an_account_that_has_none() -> None:
    turns = turns_of("a1", "a2", "b1", "b2")

    assert list(served(turns)) == ["a1", "b1", "a2"]
    turns.ask("c", "c1")
    assert list(served(turns)) == ["c1"]


def test_accounts_take_turns_however_many_one_asks() -> None:
    turns = turns_of("a1", "a2", "a3", "a4", "b1", "b2")
    running, order = list(served(turns)), []
    while running:
        order.append(running.pop(0))
        turns.leave(order[-1][0])
        running += served(turns)

    assert order == ["a1", "b1", "a2", "b2", "a3", "a4"]


def test_one_account_does_not_fill_the_waiting_room() -> None:
    turns = turns_of("a1", "a2", "a3", "a4")

    assert turns.is_full("a")
    assert not turns.is_full("b")


def test_the_waiting_room_has_a_bound_of_its_own() -> None:
    assert turns_of("a1", "a2", "a3", "b1", "b2", "b3").is_full("c")


def test_who_withdraws_is_not_served() -> None:
    turns = turns_of("a1", "a2")

    turns.withdraw("a", "a1")

    assert list(served(turns)) == ["a2"]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=60))
def test_limits_hold_whatever_is_asked_and_everyone_is_served_once(steps: list[tuple[str, bool]]) -> None:
    turns: Turns[tuple[int, str]] = Turns(LIMITS)
    running: list[tuple[int, str]] = []
    order: list[int] = []

    def start_and_look() -> None:
        while (item := turns.next()) is not None:
            running.append(item)
        accounts = [account for _, account in running]
        assert len(running) <= LIMITS.slots
        assert all(accounts.count(account) <= LIMITS.per_account for account in accounts)

    def end_one() -> None:
        number, account = running.pop(0)
        order.append(number)
        turns.leave(account)
        start_and_look()

    for number, (account, one_ends) in enumerate(steps):
        turns.ask(account, (number, account))
        start_and_look()
        if one_ends and running:
            end_one()
    while running:
        end_one()

    assert sorted(order) == list(range(len(steps)))

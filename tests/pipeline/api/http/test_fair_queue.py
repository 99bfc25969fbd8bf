"""Accounts take queue in the slots for queries, and none can have all of them."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from pipeline.api.http.fair_queue import FairQueue, Limits

LIMITS = Limits(slots=4, per_account=2, waiting=6, waiting_per_account=4)


def queue_of(*names: str) -> FairQueue[str]:
    """`names` have asked in this order; the account of `a1` is `a`."""
    queue: FairQueue[str] = FairQueue(LIMITS)
    for name in names:
        queue.ask(name[0], name)
    return queue


def served(queue: FairQueue[str]) -> Iterator[str]:
    while (name := queue.next()) is not None:
        yield name


def test_an_account_has_at_most_its_share_of_slots() -> None:
    assert list(served(queue_of("a1", "a2", "a3"))) == ["a1", "a2"]


def test_the_last_slot_is_for_an_account_that_has_none() -> None:
    queue = queue_of("a1", "a2", "b1", "b2")

    assert list(served(queue)) == ["a1", "b1", "a2"]
    queue.ask("c", "c1")
    assert list(served(queue)) == ["c1"]


def test_accounts_take_turns_however_many_one_asks() -> None:
    queue = queue_of("a1", "a2", "a3", "a4", "b1", "b2")
    running, order = list(served(queue)), []
    while running:
        order.append(running.pop(0))
        queue.leave(order[-1][0])
        running += served(queue)

    assert order == ["a1", "b1", "a2", "b2", "a3", "a4"]


def test_one_account_does_not_fill_the_waiting_room() -> None:
    queue = queue_of("a1", "a2", "a3", "a4")

    assert queue.is_full("a")
    assert not queue.is_full("b")


def test_the_waiting_room_has_a_bound_of_its_own() -> None:
    assert queue_of("a1", "a2", "a3", "b1", "b2", "b3").is_full("c")


def test_who_withdraws_is_not_served() -> None:
    queue = queue_of("a1", "a2")

    queue.withdraw("a", "a1")

    assert list(served(queue)) == ["a2"]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=60))
def test_limits_hold_whatever_is_asked_and_everyone_is_served_once(steps: list[tuple[str, bool]]) -> None:
    queue: FairQueue[tuple[int, str]] = FairQueue(LIMITS)
    running: list[tuple[int, str]] = []
    order: list[int] = []

    def start_and_look() -> None:
        while (item := queue.next()) is not None:
            running.append(item)
        accounts = [account for _, account in running]
        assert len(running) <= LIMITS.slots
        assert all(accounts.count(account) <= LIMITS.per_account for account in accounts)

    def end_one() -> None:
        number, account = running.pop(0)
        order.append(number)
        queue.leave(account)
        start_and_look()

    for number, (account, one_ends) in enumerate(steps):
        queue.ask(account, (number, account))
        start_and_look()
        if one_ends and running:
            end_one()
    while running:
        end_one()

    assert sorted(order) == list(range(len(steps)))

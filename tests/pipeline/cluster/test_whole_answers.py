"""An answer of a group is whole, or it is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.base.errors import LogUnavailable, NotOwned, PeerUnavailable
from pipeline.cluster import peers as module
from pipeline.cluster.owners import Owners
from pipeline.cluster.peers import Peers, Question
from pipeline.log.topics import READINGS

HERE, THERE = "http://here:1", "http://there:2"


class Group:
    """A group of two as the coordinator tells of it, one owner map a question; the last stands."""

    def __init__(self, *owners: dict[int, str] | Exception) -> None:
        self.decode_outcome = list(owners)
        self.silent: Exception | None = None
        self.posted: list[tuple[str, bytes]] = []

    def ask(self) -> dict[tuple[str, int], str]:
        decode_outcome = self.decode_outcome.pop(0) if len(self.decode_outcome) > 1 else self.decode_outcome[0]
        if isinstance(decode_outcome, Exception):
            raise decode_outcome
        return {(READINGS, partition): address for partition, address in decode_outcome.items()}

    def post(self, address: str, path: str, body: bytes, timeout_s: float) -> bytes:
        assert path == "rows"
        assert timeout_s <= module.ANSWER_WITHIN_S
        self.posted.append((address, body))
        if self.silent is not None:
            raise self.silent
        return body

    def close(self) -> None:
        pass

    def ask_all(self) -> list[str]:
        nothing: Any = self
        peers = Peers(HERE, 2, Owners(self.ask), nothing)
        try:
            return peers.ask_all(
                Question("rows", lambda partitions: ",".join(map(str, partitions)).encode()),
                lambda partitions: [f"here {partition}" for partition in partitions],
                lambda data: [f"there {partition}" for partition in data.decode().split(",")],
            )
        finally:
            peers.close()


class Clock:
    """Time passes while somebody sleeps, and at no other moment, however busy the machine is."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def monotonic(self) -> float:
        return self._now_s

    def sleep(self, seconds: float) -> None:
        self._now_s += seconds


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", Clock())


def test_every_owner_is_asked_for_its_own_partitions() -> None:
    group = Group({0: HERE, 1: THERE})

    assert sorted(group.ask_all()) == ["here 0", "there 1"]
    assert group.posted == [(THERE, b"1")]


def test_who_has_everything_asks_nobody_else() -> None:
    group = Group({0: HERE, 1: HERE})

    assert group.ask_all() == ["here 0", "here 1"]
    assert group.posted == []


def test_an_answer_of_who_is_the_owner_no_more_when_it_came_does_not_count() -> None:
    """A worker that was paused does not know yet: its rows are old ones. The new owner is asked."""
    group = Group({0: HERE, 1: THERE}, {0: HERE, 1: HERE})

    assert group.ask_all() == ["here 0", "here 1"]
    assert group.posted == [(THERE, b"1")]


def test_who_asks_is_not_believed_either_if_its_partitions_went_to_another() -> None:
    group = Group({0: HERE, 1: HERE}, {0: THERE, 1: THERE})

    assert group.ask_all() == ["there 0", "there 1"]


def test_a_partition_without_a_worker_refuses_the_answer_by_its_number() -> None:
    with pytest.raises(PeerUnavailable, match=r"partition 1 of \[readings\] has no worker"):
        Group({0: HERE}).ask_all()


def test_a_partition_that_gets_a_worker_in_time_is_waited_for() -> None:
    assert Group({0: HERE}, {0: HERE}, {0: HERE, 1: HERE}).ask_all() == ["here 0", "here 1"]


@pytest.mark.parametrize("error", [PeerUnavailable(f"the worker at {THERE} does not answer"), NotOwned(f"{THERE}: no")])
def test_a_silent_owner_refuses_the_answer_by_its_address(error: PeerUnavailable) -> None:
    group = Group({0: HERE, 1: THERE})
    group.silent = error

    with pytest.raises(PeerUnavailable, match=r"there:2.*no complete answer within"):
        group.ask_all()
    assert len(group.posted) > 1


def test_a_log_that_does_not_say_who_owns_what_refuses_the_answer() -> None:
    """Others may have taken over: nobody can tell."""
    with pytest.raises(PeerUnavailable, match="does not name the owners"):
        Group({0: HERE, 1: HERE}, LogUnavailable("Kafka is away")).ask_all()

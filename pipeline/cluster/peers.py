"""Asks every worker that owns a partition of [readings]; an answer is complete, or there is none.

An answer is accepted if the group coordinator still names the same owners after it arrived. This detects a worker that
was paused and does not know yet that its partitions were reassigned, also if that is the worker that asks. Otherwise,
and while a partition has no owner or its owner replays it, the question is repeated for up to 2 s.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from pipeline.base.errors import PeerUnavailable
from pipeline.cluster.client import PeerClient, understood
from pipeline.cluster.owners import Owned, Owners
from pipeline.log.topics import READINGS
from store.engine import interruption

T = TypeVar("T")

ANSWER_WITHIN_S = 2.0
AGAIN_AFTER_S = 0.05
PARALLEL = 16


@dataclass(frozen=True, slots=True)
class Question:
    """A question to all workers: this worker answers by a call, others by a POST of `body(partitions)` to `path`."""

    path: str
    body: Callable[[list[int]], bytes]


class Peers:
    """The other workers of a group; this one is at `own`."""

    def __init__(self, own: str, partitions: int, owners: Owners, client: PeerClient) -> None:
        """An answer is complete if it covers `partitions` of [readings]."""
        self.own = own
        self.client = client
        self.owners = owners
        self._partitions = partitions
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="peers")

    def close(self) -> None:
        """Stop asking."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.client.close()

    def ask_all(
        self,
        question: Question,
        answer_here: Callable[[list[int]], list[T]],
        decode: Callable[[bytes], list[T]],
    ) -> list[T]:
        """The answers of all owners. Raises PeerUnavailable with the name of the missing worker or partition."""
        deadline_s = time.monotonic() + ANSWER_WITHIN_S
        owners = self.owners.known
        while True:
            try:
                return self._ask_once(owners(), question, answer_here, decode, deadline_s)
            except PeerUnavailable as error:
                if time.monotonic() + AGAIN_AFTER_S >= deadline_s:
                    raise PeerUnavailable(f"{error}; no complete answer within {ANSWER_WITHIN_S:g} s") from error
            interruption.check()
            time.sleep(AGAIN_AFTER_S)
            owners = self.owners.fresh

    def owner_of(self, topic: str, partition: int) -> str:
        """The address of the worker that owns the partition. Raises PeerUnavailable if there is none."""
        owner = self.owners.known().get((topic, partition)) or self.owners.fresh().get((topic, partition))
        if owner is None:
            raise PeerUnavailable(f"partition {partition} of [{topic}] has no worker at the moment")
        return owner

    def _ask_once(
        self,
        owned: Owned,
        question: Question,
        answer_here: Callable[[list[int]], list[T]],
        decode: Callable[[bytes], list[T]],
        deadline_s: float,
    ) -> list[T]:
        by_owner = self._by_owner(owned)
        pending = {
            address: self._pool.submit(self._post, address, question, partitions, deadline_s)
            for address, partitions in by_owner.items()
            if address != self.own
        }
        answers = list(answer_here(by_owner[self.own])) if self.own in by_owner else []
        for address, future in pending.items():
            content = interruption.result_of(future)
            with understood(address):
                answers += decode(content)
        if self._by_owner(self.owners.fresh()) != by_owner:
            raise PeerUnavailable("partitions were reassigned meanwhile")
        return answers

    def _post(self, address: str, question: Question, partitions: list[int], deadline_s: float) -> bytes:
        return self.client.post(address, question.path, question.body(partitions), deadline_s - time.monotonic())

    def _by_owner(self, owned: Owned) -> Mapping[str, list[int]]:
        """The partitions of [readings] by owner. Raises PeerUnavailable if one has no owner."""
        by_owner: dict[str, list[int]] = {}
        for partition in range(self._partitions):
            owner = owned.get((READINGS, partition))
            if owner is None:
                raise PeerUnavailable(f"partition {partition} of [{READINGS}] has no worker at the moment")
            by_owner.setdefault(owner, []).append(partition)
        return by_owner

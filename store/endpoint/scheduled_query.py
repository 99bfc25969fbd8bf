"""A scheduled query as it is kept: what was asked for, when it runs next, and how its runs went.

It is a part of its account in the catalog.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from store.catalog.catalog import Catalog, Said

T = TypeVar("T")

SCHEDULED, MESSAGES = "ScheduledQueries", "ScheduledQueryMessages"  # among the settings of an account
MESSAGES_MAX = 1_000  # of an account that wait; the oldest give way
FAILED_KEPT = 5  # runs, as in the service


class Run(msgspec.Struct, omit_defaults=True):
    """A run that has ended. Times in nanoseconds.

    data_writes    bytes of the records that were written
    report         bucket and key of the report of errors
    insights       what was read, as it is returned; None: nobody asked
    """

    invocation_ns: int
    trigger_ns: int
    is_manual: bool = False
    took_ms: int = 0
    rows: int = 0
    ingested: int = 0
    data_writes: int = 0
    scanned_bytes: int = 0
    metered_bytes: int = 0
    failure: str = ""
    report: tuple[str, str] | None = None
    insights: dict[str, Any] | None = None

    @property
    def status(self) -> str:
        """The service's name for how it ended."""
        return f"{'MANUAL' if self.is_manual else 'AUTO'}_TRIGGER_{'FAILURE' if self.failure else 'SUCCESS'}"


class Started(msgspec.Struct, omit_defaults=True):
    """A run that has begun, or was asked for.

    trigger_ns   when it began; also the version of its records. 0: it has not begun
    wants_insights  whether it shall say what was read
    owner        the worker that runs it, which last said so at `seen_ns`
    """

    invocation_ns: int
    is_manual: bool = False
    wants_insights: bool = False
    trigger_ns: int = 0
    owner: str = ""
    seen_ns: int = 0


class ScheduledQuery(msgspec.Struct, omit_defaults=True):
    """One scheduled query.

    id       its name and a suffix: the last part of its ARN
    request  as it was given, without tags
    next_ns  the first scheduled run that was not begun; None: there is none
    asked    runs that clients asked for
    running  the run that has begun and not ended: after a crash it is begun again
    last_trigger_ns  of all runs so far: each is later, so that its records replace those of the runs before
    """

    id: str
    region: str
    request: dict[str, Any]
    created_ns: int
    is_enabled: bool = True
    next_ns: int | None = None
    asked: list[Started] = []
    running: Started | None = None
    last_trigger_ns: int = 0
    last: Run | None = None
    failed: list[Run] = []
    tags: list[dict[str, str]] = []

    @property
    def target(self) -> Mapping[str, Any] | None:
        """The TimestreamConfiguration; None: results are not stored."""
        found = self.request.get("TargetConfiguration")
        return None if found is None else found["TimestreamConfiguration"]

    @property
    def topic(self) -> str:
        """The ARN of the topic of messages about it."""
        return str(self.request["NotificationConfiguration"]["SnsConfiguration"]["TopicArn"])

    def end(self, run: Run) -> None:
        """Note the end of the run."""
        self.running, self.last = None, run
        if run.failure:
            self.failed = [run, *self.failed][:FAILED_KEPT]


class Message(msgspec.Struct, omit_defaults=True):
    """A message to a topic that nobody has accepted yet.

    due_ns  of the next attempt; the worker that makes it sets it a minute ahead before
    """

    id: str
    topic: str
    arn: str
    content: dict[str, Any]
    since_ns: int
    due_ns: int
    attempts: int = 0


class Scheduled(msgspec.Struct):
    """The scheduled queries of an account by id, oldest first, and the messages about them that wait."""

    queries: dict[str, ScheduledQuery] = {}
    messages: list[Message] = []

    def tell(self, message: Message | None) -> None:
        """Let a message wait, if it is one."""
        if message is not None:
            self.messages = [*self.messages, message][-MESSAGES_MAX:]


_decoder = msgspec.json.Decoder(Scheduled)


def scheduled_of(said: Said) -> Scheduled:
    """What the settings of an account have of it."""
    kept = {"queries": said.get(SCHEDULED, {}), "messages": said.get(MESSAGES, [])}
    return _decoder.decode(msgspec.json.encode(kept))


def scheduled_queries(catalog: Catalog, account: str) -> dict[str, ScheduledQuery]:
    """The account's scheduled queries by id, oldest first."""
    return scheduled_of(catalog.account_settings(account)).queries


def change_scheduled(catalog: Catalog, account: str, change: Callable[[Scheduled], T]) -> T:
    """Change the account's scheduled queries, durably; returns what `change` returns. Raises what it raises."""
    found: list[T] = []

    def changed(said: Said) -> Said:
        scheduled = scheduled_of(said)
        found[:] = [change(scheduled)]
        kept = msgspec.to_builtins(scheduled)
        return {**said, SCHEDULED: kept["queries"], MESSAGES: kept["messages"]}

    catalog.update_account(account, changed)
    return found[0]

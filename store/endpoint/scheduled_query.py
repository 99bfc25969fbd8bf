"""A scheduled query as it is kept: what was asked for, when it runs next, and how its runs went.

It is a part of its account in the catalog.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from store.catalog.catalog import Catalog, Said

T = TypeVar("T")

SCHEDULED = "ScheduledQueries"  # among the settings of an account
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

    def end(self, run: Run) -> None:
        """Note the end of the run."""
        self.running, self.last = None, run
        if run.failure:
            self.failed = [run, *self.failed][:FAILED_KEPT]


_decoder = msgspec.json.Decoder(dict[str, ScheduledQuery])


def _kept(said: Said) -> dict[str, ScheduledQuery]:
    return _decoder.decode(msgspec.json.encode(said.get(SCHEDULED, {})))


def scheduled_queries(catalog: Catalog, account: str) -> dict[str, ScheduledQuery]:
    """The account's scheduled queries by id, oldest first."""
    return _kept(catalog.account_settings(account))


def change_scheduled(catalog: Catalog, account: str, change: Callable[[dict[str, ScheduledQuery]], T]) -> T:
    """Change the account's scheduled queries, durably; returns what `change` returns. Raises what it raises."""
    found: list[T] = []

    def changed(said: Said) -> Said:
        queries = _kept(said)
        found[:] = [change(queries)]
        return {**said, SCHEDULED: {name: msgspec.to_builtins(query) for name, query in queries.items()}}

    catalog.update_account(account, changed)
    return found[0]

"""A query to be run, its answer, and the interface of what runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from store.processes.limits import MIB, QueryLimits
from store.reading.insights import Insights
from store.reading.lending import Lender
from store.reading.reader import Reader
from store.sql import ResultSet, SqlRequest, at_once, from_summaries, may_be_at_once, may_be_summarised
from store.sql.errors import LimitExceeded

Encode: TypeAlias = Callable[[ResultSet], Iterator[bytes]]
"""A function of a module that query processes have loaded, or a `partial` of one: the parts of a response."""


@dataclass(frozen=True, slots=True)
class Job:
    """A statement, and how its result is encoded."""

    request: SqlRequest
    encode: Encode


@dataclass(frozen=True, slots=True)
class Answer:
    """A result that is complete in the process that computed it. `parts` are encoded as they are taken."""

    rows: int
    truncated: bool
    insights: Insights
    parts: Iterator[bytes]


class Executor(Protocol):
    """Runs queries. Any thread; blocks."""

    @property
    def limits(self) -> QueryLimits:
        """What each of them may use. The row limit is the caller's to put in its request."""
        ...

    def run(self, lender: Lender, job: Job) -> AbstractContextManager[Answer]:
        """The answer, to be read within the `with`. This thread's `interruption` can end it.

        It closes the lender when the result is complete: a client that reads slowly keeps no version and no row.
        Raises SqlError, QueryCancelled, and what the lender raises.
        """
        ...

    def close(self) -> None:
        """Run no more queries, and end those that run."""
        ...


def is_worth_trying_at_once(text: str) -> bool:
    """Whether `answered_at_once` may have an answer."""
    return may_be_at_once(text) or may_be_summarised(text)


def answered_at_once(reader: Reader, account: str, job: Job) -> list[bytes] | None:
    """The response, in this process, to a short statement that reads no rows, or that rollups or statistics answer.

    None for any other. Raises SqlError.
    """
    if may_be_summarised(job.request.text):
        with reader.snapshot(account) as snapshot:
            found = from_summaries(snapshot, job.request)
    else:
        with reader.lender(account) as lender:
            found = at_once(lender, job.request)
    return None if found is None else list(job.encode(found))


def too_much_memory(limits: QueryLimits) -> LimitExceeded:
    """The error of a query that needs more memory than it may have."""
    return LimitExceeded(
        f"The query needs more than {limits.memory_bytes // MIB} MiB of memory, which is the limit; narrow it by time "
        "or dimensions, or aggregate more"
    )

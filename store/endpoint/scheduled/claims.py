"""Who runs what: a worker takes the next run of an account that is due, and tells how it ended. In the catalog.

A run that has begun and not ended is begun again: by its worker after a restart, by another one if nobody has said for
a minute that it goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from store.catalog.catalog import Catalog
from store.endpoint.context import Topics
from store.endpoint.scheduled.messages import UPDATE, message_of
from store.endpoint.scheduled.schedule import due_run, parse_schedule
from store.endpoint.scheduled_query import Run, Scheduled, ScheduledQuery, Started, change_scheduled, scheduled_queries

ABANDONED_NS = 60_000_000_000


class Lost(Exception):
    """Another worker has the run, or the scheduled query was deleted."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The runs of an account, for the worker `owner`; "" if there is no other."""

    catalog: Catalog
    account: str
    owner: str
    topics: Topics

    def next_due_ns(self, now_ns: int) -> int | None:
        """When the next run is due, `now_ns` if one is; None if there is none."""
        queries = scheduled_queries(self.catalog, self.account).values()
        due = [at_ns for query in queries if (at_ns := self._due_ns(query)) is not None]
        return max(min(due), now_ns) if due else None

    def behind_ns(self, now_ns: int) -> int:
        """How long the run waits that has been due longest by its schedule; 0 if none is due."""
        nexts = [query.next_ns for query in scheduled_queries(self.catalog, self.account).values()]
        return max(0, now_ns - min((at_ns for at_ns in nexts if at_ns is not None), default=now_ns))

    def take(self, now_ns: int) -> tuple[ScheduledQuery, Started] | None:
        """Begin the run that is due first; None if none is."""
        if self.next_due_ns(now_ns) != now_ns:
            return None

        def changed(scheduled: Scheduled) -> tuple[ScheduledQuery, Started] | None:
            query = self._first_due(scheduled.queries, now_ns)
            return None if query is None else (query, self._begin(query, now_ns))

        return change_scheduled(self.catalog, self.account, changed)

    def keep(self, query_id: str, run: Started, now_ns: int) -> None:
        """Say that a run goes on. Raises Lost."""

        def changed(scheduled: Scheduled) -> None:
            _running(scheduled, query_id, run).seen_ns = now_ns

        change_scheduled(self.catalog, self.account, changed)

    def end(self, query_id: str, run: Started, ended: Run, now_ns: int, *, disables: bool) -> None:
        """Say how a run ended, and whether the query shall not run again by itself. Raises Lost."""

        def changed(scheduled: Scheduled) -> None:
            _running(scheduled, query_id, run)
            query = scheduled.queries[query_id]
            query.end(ended)
            if disables:
                query.is_enabled, query.next_ns = False, None
            if self.topics.leads(self.account, query.topic):
                scheduled.tell(message_of(self.account, query, ended.status, now_ns, ended))
                scheduled.tell(message_of(self.account, query, UPDATE, now_ns) if disables else None)

        change_scheduled(self.catalog, self.account, changed)

    def _due_ns(self, query: ScheduledQuery) -> int | None:
        if query.running is not None:
            is_ours = query.running.owner == self.owner
            return query.running.seen_ns if is_ours else query.running.seen_ns + ABANDONED_NS
        return 0 if query.asked else query.next_ns

    def _first_due(self, queries: Mapping[str, ScheduledQuery], now_ns: int) -> ScheduledQuery | None:
        due = [(at_ns, query) for query in queries.values() if (at_ns := self._due_ns(query)) is not None]
        at_ns, query = min(due, key=lambda one: one[0], default=(now_ns + 1, None))
        return query if at_ns <= now_ns else None

    def _begin(self, query: ScheduledQuery, now_ns: int) -> Started:
        run = query.running or (query.asked[0] if query.asked else self._scheduled(query, now_ns))
        if query.running is None and query.asked:
            query.asked = query.asked[1:]
        run.owner, run.seen_ns = self.owner, now_ns
        run.trigger_ns = query.last_trigger_ns = max(now_ns, query.last_trigger_ns + 1)
        query.running = run
        return run

    def _scheduled(self, query: ScheduledQuery, now_ns: int) -> Started:
        assert query.next_ns is not None
        schedule = parse_schedule(query.request["ScheduleConfiguration"]["ScheduleExpression"], query.created_ns)
        invocation_ns = due_run(schedule, query.next_ns, now_ns)
        query.next_ns = schedule(invocation_ns)
        return Started(invocation_ns)


def _running(scheduled: Scheduled, query_id: str, run: Started) -> Started:
    """The run, if it is still that of the query. Raises Lost."""
    query = scheduled.queries.get(query_id)
    if query is None or query.running is None or query.running.trigger_ns != run.trigger_ns:
        raise Lost
    return query.running

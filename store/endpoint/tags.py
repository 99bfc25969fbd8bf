"""Tags of databases, tables and scheduled queries: stored and returned, without effect.

Limits are AWS's: 200 of a resource, each key once, and none of the keys that begin with `aws:`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from store.catalog.catalog import Said
from store.endpoint.arns import parse_arn, parse_scheduled_arn
from store.endpoint.context import Context
from store.endpoint.errors import ResourceNotFound, ScheduledQueryNotFound, ServiceQuotaExceeded, Validation
from store.endpoint.pages import page
from store.endpoint.scheduled_query import Scheduled, ScheduledQuery, change_scheduled, scheduled_queries
from store.errors import UnknownDatabase, UnknownTable
from store.record import TableId

TAGS_MAX = 200  # per resource


def list_tags(call: Context) -> dict[str, object]:
    """All tags by key, in pages of MaxResults."""
    query = _scheduled(call, scheduled_queries(call.store.catalog, call.account))
    found = _said(call).get("Tags", ()) if query is None else query.tags
    return page(call.request, sorted(found, key=_key), _key, "Tags", dict, most=TAGS_MAX)


def tag(call: Context) -> dict[str, object]:
    """Add tags, or replace the values of existing keys.

    Raises Validation, ResourceNotFound, ServiceQuotaExceeded.
    """
    check(call.request["Tags"])
    _change(call, lambda tags: tags | {entry["Key"]: entry["Value"] for entry in call.request["Tags"]})
    return {}


def untag(call: Context) -> dict[str, object]:
    """Remove tags by their keys, ignoring unknown keys. Raises ResourceNotFound."""
    gone = set(call.request["TagKeys"])
    _change(call, lambda tags: {key: value for key, value in tags.items() if key not in gone})
    return {}


def check(tags: Iterable[Mapping[str, str]]) -> None:
    """Raise Validation if a client may not give these tags."""
    keys = [_key(tag) for tag in tags]
    for key in keys:
        if key.lower().startswith("aws:"):
            raise Validation(f"The tag key {key} begins with aws:, which is reserved for system use.")
        if keys.count(key) > 1:
            raise Validation(f"The tag key {key} is there more than once.")


def _key(tag: Mapping[str, str]) -> str:
    return tag["Key"]


def _change(call: Context, decide: Callable[[dict[str, str]], dict[str, str]]) -> None:
    def decided(before: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
        tags = decide({entry["Key"]: entry["Value"] for entry in before})
        if len(tags) > TAGS_MAX:
            raise ServiceQuotaExceeded(f"The resource would have {len(tags)} tags; {TAGS_MAX} are allowed.")
        return [{"Key": key, "Value": value} for key, value in tags.items()]

    def changed(said: Said) -> Said:
        tags, others = decided(said.get("Tags", ())), {name: value for name, value in said.items() if name != "Tags"}
        return {**others, "Tags": tags} if tags else others

    def changed_query(scheduled: Scheduled) -> None:
        query = _scheduled(call, scheduled.queries)
        assert query is not None
        query.tags = decided(query.tags)

    if parse_scheduled_arn(str(call.request["ResourceARN"]), call.account) is not None:
        change_scheduled(call.store.catalog, call.account, changed_query)
        return
    database, table = _resource(call)
    if table is None:
        call.store.catalog.update_database(call.account, database, changed)
    else:
        call.store.catalog.say_of_table(TableId(call.account, database, table), changed)


def _scheduled(call: Context, queries: Mapping[str, ScheduledQuery]) -> ScheduledQuery | None:
    """The scheduled query that the request names; None if it names something else. Raises ScheduledQueryNotFound."""
    arn = str(call.request["ResourceARN"])
    name = parse_scheduled_arn(arn, call.account)
    if name is not None and name not in queries:
        raise ScheduledQueryNotFound(arn)
    return None if name is None else queries[name]


def _said(call: Context) -> Said:
    database, table = _resource(call)
    if table is None:
        return call.store.catalog.database(call.account, database).said
    return call.store.catalog.table(TableId(call.account, database, table)).said


def _resource(call: Context) -> tuple[str, str | None]:
    arn = str(call.request["ResourceARN"])
    found = parse_arn(arn, call.account)
    if found is not None:
        database, table = found
        try:
            call.store.catalog.database(call.account, database)
            if table is not None:
                call.store.catalog.table(TableId(call.account, database, table))
        except (UnknownDatabase, UnknownTable):
            found = None
    if found is None:
        raise ResourceNotFound(f"The resource with arn {arn} does not exist.")
    return found


OPERATIONS: Mapping[str, Callable[[Context], dict[str, Any]]] = {
    "ListTagsForResource": list_tags,
    "TagResource": tag,
    "UntagResource": untag,
}

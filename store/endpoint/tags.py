"""Tags of databases and tables: stored and returned, without effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from store.catalog.catalog import Said
from store.endpoint.arns import parse_arn
from store.endpoint.context import Context
from store.endpoint.errors import ResourceNotFound, Validation
from store.errors import UnknownDatabase, UnknownTable
from store.record import TableId

TAGS_MAX = 200  # per resource


def list_tags(call: Context) -> dict[str, object]:
    """All tags at once, since they fit into one page."""
    database, table = _resource(call)
    said = (
        call.store.catalog.database(call.account, database).said
        if table is None
        else call.store.catalog.table(TableId(call.account, database, table)).said
    )
    return {"Tags": said.get("Tags", [])}


def tag(call: Context) -> dict[str, object]:
    """Add tags, or replace the values of existing keys. Raises Validation, ResourceNotFound."""
    _change(call, lambda tags: tags | {entry["Key"]: entry["Value"] for entry in call.request["Tags"]})
    return {}


def untag(call: Context) -> dict[str, object]:
    """Remove tags by their keys, ignoring unknown keys. Raises ResourceNotFound."""
    gone = set(call.request["TagKeys"])
    _change(call, lambda tags: {key: value for key, value in tags.items() if key not in gone})
    return {}


def _change(call: Context, decide: Callable[[dict[str, str]], dict[str, str]]) -> None:
    def changed(said: Said) -> Said:
        tags = decide({entry["Key"]: entry["Value"] for entry in said.get("Tags", ())})
        if len(tags) > TAGS_MAX:
            raise Validation(f"The resource would have {len(tags)} tags; {TAGS_MAX} are allowed.")
        others = {name: value for name, value in said.items() if name != "Tags"}
        return {**others, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]} if tags else others

    database, table = _resource(call)
    if table is None:
        call.store.catalog.update_database(call.account, database, changed)
    else:
        call.store.catalog.say_of_table(TableId(call.account, database, table), changed)


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

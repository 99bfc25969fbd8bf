"""Partition keys that clients define: read from requests, enforced on records, returned.

A table has one, as in the service: the measure name, or a dimension that each record must have (REQUIRED) or may have
(OPTIONAL). It is fixed when the table is created, except whether it is required. Rows are not stored by it: files are
pruned by the values of every dimension.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from store.catalog.catalog import PartitionKey
from store.endpoint.errors import Validation
from store.endpoint.names import dimension_name_fault
from store.endpoint.payload import WriteRecord


def read_partition_key(schema: Mapping[str, Any] | None) -> PartitionKey | None:
    """The key of a request's Schema; None is the measure name. Raises Validation."""
    keys: Sequence[Mapping[str, Any]] = (schema or {}).get("CompositePartitionKey") or ({"Type": "MEASURE"},)
    if len(keys) > 1:
        raise Validation(f"The composite partition key has {len(keys)} partition keys; 1 is allowed.")
    (key,) = keys
    name, enforcement = key.get("Name"), key.get("EnforcementInRecord")
    if key["Type"] == "MEASURE":
        if name is not None or enforcement is not None:
            raise Validation("A partition key of type MEASURE has no Name and no EnforcementInRecord.")
        return None
    if name is None:
        raise Validation("A partition key of type DIMENSION needs a Name.")
    if (fault := dimension_name_fault(name)) is not None:
        raise Validation(fault)
    return PartitionKey(name, enforcement == "REQUIRED")


def changed_partition_key(before: PartitionKey | None, schema: Mapping[str, Any] | None) -> PartitionKey | None:
    """The key of a table after an UpdateTable with this Schema. Raises Validation if it would be another one."""
    if not (schema or {}).get("CompositePartitionKey"):
        return before
    key = read_partition_key(schema)
    if (before and before.dimension) != (key and key.dimension):
        raise Validation(
            "The type and name of a partition key cannot be changed after the table is created; its "
            f"EnforcementInRecord can. The table's partition key is {_words(before)}."
        )
    return key


def partition_key_body(key: PartitionKey | None) -> dict[str, object]:
    """The Schema of a response."""
    if key is None:
        return {"CompositePartitionKey": [{"Type": "MEASURE"}]}
    enforcement = "REQUIRED" if key.is_required else "OPTIONAL"
    return {
        "CompositePartitionKey": [
            {"Type": "DIMENSION", "Name": key.dimension, "EnforcementInRecord": enforcement},
        ]
    }


def partition_key_fault(key: PartitionKey | None, record: WriteRecord) -> str | None:
    """Why the record is rejected because of the table's partition key; None if it is not."""
    if key is None or not key.is_required or any(name == key.dimension for name, _ in record.dimensions):
        return None
    return f"The record does not have the dimension {key.dimension}, which is the table's required partition key."


def _words(key: PartitionKey | None) -> str:
    return "the measure name" if key is None else f"the dimension {key.dimension}"

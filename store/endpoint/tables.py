"""Databases and tables: create, describe, list, update, delete. Changes are durable before they return.

Tables of the configuration can be described and deleted, but not changed. Encryption keys and tags are stored and
returned, but have no effect: data is encrypted if its disk is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeAlias

from store.catalog.catalog import DatabaseInfo, Said, TableInfo, TableSettings
from store.endpoint import tags
from store.endpoint.account_settings import describe_account_settings, update_account_settings
from store.endpoint.arns import database_arn, table_arn
from store.endpoint.context import Context
from store.endpoint.errors import Validation
from store.endpoint.pages import page
from store.endpoint.partition_keys import changed_partition_key, partition_key_body, read_partition_key
from store.endpoint.rejection_reports import PLACE
from store.endpoint.write import find_table, refuse_own
from store.record import TableId

Operation: TypeAlias = Callable[[Context], dict[str, object]]


def _create_database(call: Context) -> dict[str, object]:
    refuse_own(_database(call))
    info = call.store.catalog.create_database(call.account, _database(call), _said(call.request))
    return {"Database": _database_body(call, info)}


def _update_database(call: Context) -> dict[str, object]:
    key = {"KmsKeyId": call.request["KmsKeyId"]}
    info = call.store.catalog.update_database(call.account, _database(call), lambda said: {**said, **key})
    return {"Database": _database_body(call, info)}


def _describe_database(call: Context) -> dict[str, object]:
    return {"Database": _database_body(call, call.store.catalog.database(call.account, _database(call)))}


def _list_databases(call: Context) -> dict[str, object]:
    databases = call.store.catalog.databases(call.account)
    return page(call.request, databases, lambda info: info.name, "Databases", lambda info: _database_body(call, info))


def _delete_database(call: Context) -> dict[str, object]:
    refuse_own(_database(call))
    call.store.catalog.delete_database(call.account, _database(call))
    return {}


def _create_table(call: Context) -> dict[str, object]:
    refuse_own(_table(call).database)
    settings = replace(
        _settings(call.request, TableSettings()), partition_key=read_partition_key(call.request.get("Schema"))
    )
    return {"Table": _table_body(call, call.store.catalog.create_table(_table(call), settings, _said(call.request)))}


def _describe_table(call: Context) -> dict[str, object]:
    return {"Table": _table_body(call, find_table(call.store, _table(call)))}


def _update_table(call: Context) -> dict[str, object]:
    info = find_table(call.store, _table(call))
    if info.settings.from_config:
        raise Validation(f"The table {info.table.table} is set by the server's configuration; change it there.")
    key = changed_partition_key(info.settings.partition_key, call.request.get("Schema"))
    settings = replace(_settings(call.request, info.settings), partition_key=key)
    info = call.store.catalog.update_table(_table(call), settings)
    if call.request.get("MagneticStoreWriteProperties") is not None:
        said = _said(call.request)
        info = call.store.catalog.say_of_table(_table(call), lambda before: {**_but_place(before), **said})
    return {"Table": _table_body(call, info)}


def _delete_table(call: Context) -> dict[str, object]:
    refuse_own(_table(call).database)
    call.store.catalog.delete_table(_table(call))
    return {}


def _list_tables(call: Context) -> dict[str, object]:
    tables = call.store.catalog.tables(call.account, call.request.get("DatabaseName"))
    return page(
        call.request,
        sorted(tables, key=_table_key),
        _table_key,
        "Tables",
        lambda info: _table_body(call, info),
    )


OPERATIONS: Mapping[str, Operation] = {
    "CreateDatabase": _create_database,
    "UpdateDatabase": _update_database,
    "DescribeDatabase": _describe_database,
    "ListDatabases": _list_databases,
    "DeleteDatabase": _delete_database,
    "CreateTable": _create_table,
    "DescribeTable": _describe_table,
    "UpdateTable": _update_table,
    "DeleteTable": _delete_table,
    "ListTables": _list_tables,
    "DescribeAccountSettings": describe_account_settings,
    "UpdateAccountSettings": update_account_settings,
    **tags.OPERATIONS,
}


def _said(request: Mapping[str, Any]) -> Said:
    """The values of a request that are stored and returned as they are. Raises Validation."""
    tags.check(request.get("Tags") or ())
    said = {name: request[name] for name in ("KmsKeyId", "Tags") if request.get(name)}
    place = (request.get("MagneticStoreWriteProperties") or {}).get(PLACE)
    return {**said, PLACE: place} if place else said


def _but_place(said: Said) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name != PLACE}


def _database(call: Context) -> str:
    return str(call.request["DatabaseName"])


def _table(call: Context) -> TableId:
    return TableId(call.account, call.request["DatabaseName"], call.request["TableName"])


def _table_key(info: TableInfo) -> str:
    return f"{info.table.database}\0{info.table.table}"


def _settings(request: Mapping[str, Any], settings: TableSettings) -> TableSettings:
    """`settings` with the changes of the request."""
    retention = request.get("RetentionProperties")
    if retention is not None:
        settings = replace(
            settings,
            memory_retention=timedelta(hours=retention["MemoryStoreRetentionPeriodInHours"]),
            magnetic_retention=timedelta(days=retention["MagneticStoreRetentionPeriodInDays"]),
        )
    writes = request.get("MagneticStoreWriteProperties")
    if writes is not None:
        settings = replace(settings, magnetic_writes=writes["EnableMagneticStoreWrites"])
    return settings


def _database_body(call: Context, info: DatabaseInfo) -> dict[str, object]:
    return {
        "Arn": database_arn(call.region, call.account, info.name),
        **({"KmsKeyId": info.said["KmsKeyId"]} if "KmsKeyId" in info.said else {}),
        "DatabaseName": info.name,
        "TableCount": len(call.store.catalog.tables(call.account, info.name)),
        "CreationTime": info.created_ns / 1e9,
        "LastUpdatedTime": info.updated_ns / 1e9,
    }


def _table_body(call: Context, info: TableInfo) -> dict[str, object]:
    settings = info.settings
    return {
        "Arn": table_arn(call.region, call.account, info.table.database, info.table.table),
        "TableName": info.table.table,
        "DatabaseName": info.table.database,
        "TableStatus": "ACTIVE",
        "RetentionProperties": {
            # whole units of at least one, as in the service; a configured table may have a shorter one
            "MemoryStoreRetentionPeriodInHours": max(1, settings.memory_retention // timedelta(hours=1)),
            "MagneticStoreRetentionPeriodInDays": max(1, settings.magnetic_retention // timedelta(days=1)),
        },
        "CreationTime": info.created_ns / 1e9,
        "LastUpdatedTime": info.updated_ns / 1e9,
        "MagneticStoreWriteProperties": {
            "EnableMagneticStoreWrites": settings.magnetic_writes or settings.from_config,
            **({PLACE: info.said[PLACE]} if PLACE in info.said else {}),
        },
        "Schema": partition_key_body(settings.partition_key),
    }

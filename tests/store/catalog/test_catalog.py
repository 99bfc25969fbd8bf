from datetime import timedelta
from pathlib import Path

import pytest

from store.catalog.catalog import Catalog, TableSettings
from store.errors import DatabaseExists, DatabaseNotEmpty, TableExists, UnknownDatabase, UnknownTable
from store.objects.objects import open_objects
from store.record import TableId

TABLE = TableId("farm", "db", "t")
TEMPLATE = TableSettings(timedelta(hours=1), timedelta(days=365), from_config=True, zone="{z}", units={"t": "celsius"})


def make(path: Path) -> Catalog:
    return Catalog(
        open_objects(str(path)), {("agri", "readings"): TEMPLATE}, lambda: 42, lambda: {"s": 8}, lambda table: None
    )


def test_what_was_made_is_there_after_a_restart(tmp_path: Path) -> None:
    catalog = make(tmp_path)
    catalog.create_database("farm", "db")
    catalog.create_table(TABLE, TableSettings(timedelta(hours=2), timedelta(days=3), magnetic_writes=True))

    again = make(tmp_path)
    assert again.table(TABLE) == catalog.table(TABLE)
    assert [database.name for database in again.databases("farm")] == ["db"]


def test_a_template_is_created_in_the_account_that_writes_to_it(tmp_path: Path) -> None:
    catalog = make(tmp_path)
    table = TableId("farm", "agri", "readings")
    assert catalog.databases("farm") == []

    info = catalog.ensure(table)

    assert info is not None
    assert info.settings == TEMPLATE
    assert catalog.ensure(TableId("farm", "agri", "other")) is None
    assert [found.table for found in catalog.tables("farm")] == [table]
    assert catalog.tables("orchard") == []


def test_a_table_created_again_begins_after_the_rows_of_the_deleted_one(tmp_path: Path) -> None:
    catalog = make(tmp_path)
    catalog.create_database("farm", "db")
    assert catalog.create_table(TABLE, TableSettings()).born == {}
    catalog.delete_table(TABLE)

    assert make(tmp_path).create_table(TABLE, TableSettings()).born == {"s": 7}


def test_what_cannot_be_done_says_why(tmp_path: Path) -> None:
    catalog = make(tmp_path)
    with pytest.raises(UnknownDatabase, match="The database db does not exist"):
        catalog.create_table(TABLE, TableSettings())
    catalog.create_database("farm", "db")
    with pytest.raises(DatabaseExists):
        catalog.create_database("farm", "db")
    with pytest.raises(UnknownTable, match="The table t does not exist"):
        catalog.delete_table(TABLE)
    catalog.create_table(TABLE, TableSettings())
    with pytest.raises(TableExists):
        catalog.create_table(TABLE, TableSettings())
    with pytest.raises(DatabaseNotEmpty):
        catalog.delete_database("farm", "db")

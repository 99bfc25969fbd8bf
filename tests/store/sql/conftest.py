"""The fixtures of these tests; their classes are in `sql_database`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sql_database import Database


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "store")
    yield database
    database.store.close()


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A store for all tests of a module, which write once and then run queries."""
    database = Database(tmp_path_factory.mktemp("asked") / "store")
    yield database
    database.store.close()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A store without tables, for queries that need none."""
    database = Database(tmp_path_factory.mktemp("empty") / "store")
    yield database
    database.store.close()

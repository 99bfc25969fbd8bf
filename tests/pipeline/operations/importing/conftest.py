from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.import_service import ImportService, import_service


@pytest.fixture
def past(tmp_path: Path) -> Iterator[ImportService]:
    with import_service(tmp_path) as made:
        yield made

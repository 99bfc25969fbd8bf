from collections.abc import Iterator

import pytest

from pipeline.operations.demo import Receiver
from tests.end_to_end.running_product import config
from tests.support.commands import execute
from tests.support.product import Product


@pytest.fixture(scope="package")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Product]:
    """One product for all tests that only ask, each with zones of its own."""
    folder = tmp_path_factory.mktemp("product")
    with Product(folder, config(folder, receiver), begin=execute) as running:
        yield running

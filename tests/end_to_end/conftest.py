from collections.abc import Iterator

import pytest
from running_product import config

from pipeline.operations.demo import Receiver
from tests.support.product import Product


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Product]:
    """One product for all tests of a module, each with zones of its own."""
    folder = tmp_path_factory.mktemp("product")
    with Product(folder, config(folder, receiver)) as running:
        yield running

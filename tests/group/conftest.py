"""Several gateways and workers on a real Kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.group_kit import group_config
from tests.support.group_product import GroupProduct
from tests.support.kafka_broker import Broker

Start = Callable[..., GroupProduct]


@pytest.fixture
def start(kafka: Broker, tmp_path: Path) -> Iterator[Start]:
    """Starts a group on the shared broker; everything of it is ended after the test."""
    with ExitStack() as stack:

        def started(*, sections: dict[str, Any] | None = None, **options: Any) -> Any:
            config = group_config(kafka, tmp_path, **(sections or {}))
            return stack.enter_context(GroupProduct(tmp_path, config, **options))

        yield started

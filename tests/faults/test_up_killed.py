"""`up` itself is killed: its children end with it, and started again on the folder it has all that was acknowledged."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.support.fault_kit import (
    FIRST_ID,
    Sender,
    assert_nothing_lost,
    config,
    descendants,
    publish_for,
    stored_ids,
    up_pid,
)
from tests.support.product import Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(3600)]


@contextmanager
def started(product: Product) -> Iterator[None]:
    """Started, and killed within the block or at its end."""
    try:
        product.start()
        yield
    finally:
        product.stop(signal.SIGKILL)


def test_up_killed_under_load_leaves_no_process_and_loses_nothing(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Killed as by the kernel's memory killer, as often as `--fault-kills` says; ports are others after each start."""
    product = Product(tmp_path, config())
    acked, unknown = [], []
    for number in range(request.config.getoption("--fault-kills")):
        first_id = FIRST_ID + number * 10_000_000
        with (
            started(product),
            Sender(
                product,
                seconds=60,
                rate=3_000,
                drain_s=1,
                first_id=first_id,
                name=f"s{number}",
            ) as sender,
        ):
            wait_for(lambda first_id=first_id: (stored_ids(product) >= first_id).any(), "the load has begun")  # type: ignore[misc]
            publish_for(1.0 + number / 3)
            children = descendants(up_pid(product))
            product.stop(signal.SIGKILL)
            _, alive = psutil.wait_procs(children, timeout=60)
            sender.stop()
            sender.result()
        assert len(children) >= 2
        assert alive == []
        acked.append(sender.acked)
        unknown.append(sender.unknown)

    with product:
        sender.acked, sender.unknown = np.concatenate(acked), np.concatenate(unknown)
        assert_nothing_lost(product, sender)
        children = descendants(up_pid(product))
    wait_for(lambda: not any(child.is_running() for child in children), "nothing is left after an ordinary end")

"""The worker is killed exactly where it hurts: between the steps of a flush, a merge, a save and a trim."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fault_kit import Sender, assert_nothing_lost, config, die_at, hasty
from tests.support.product import Product

pytestmark = [pytest.mark.processes, pytest.mark.timeout(3600)]

TABLES = 2
MOMENTS = (
    "object written aside",
    "series saved",
    "file written",
    "before commit",
    "after commit",
    "positions to be saved",
    "positions saved",
    "merge begun",
    "merged file written",
    "merged",
    "rules to be saved",
    "rules saved",
    "trimming",
)
RULE = """
groups:
  - name: faults
    table: faults.table_00
    rules: [{alert: Hot, measure: temperature, range: {max: 21}, for: 1h}]
"""


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    (tmp_path / "rules.yaml").write_text(RULE)
    with hasty(tmp_path), Product(tmp_path, config(TABLES, rules=["rules.yaml"])) as running:
        yield running


def test_nothing_is_lost_or_doubled_whatever_step_a_kill_cuts_in_two(
    product: Product, request: pytest.FixtureRequest
) -> None:
    """Once at every moment, in random order; with `--fault-kills` as often as that."""
    kills = max(1, request.config.getoption("--fault-kills") // 3)
    rng = random.Random(kills)
    load = Sender(product, seconds=3600, rate=1_000, tables=TABLES, sensors=2_000, late=0.05, resend=0.01, late_by=5)
    with load as sender:
        for _ in range(kills):
            for moment in rng.sample(MOMENTS, len(MOMENTS)):
                die_at(product, moment)
        sender.stop()
        sender.result()

    assert_nothing_lost(product, sender, tables=TABLES)

"""Ten accounts of five tables each, written at once and killed: small tables share a checkpoint file."""

from pathlib import Path

import pytest

from tests.support.fault_kit import Sender, ask, assert_nothing_lost, config, die_at, hasty
from tests.support.product import Product

pytestmark = [pytest.mark.processes, pytest.mark.timeout(3600)]

ACCOUNTS, TABLES = 10, 5
MOST_FLUSHED_ALONE = 30  # in place of 150: less to open, to save and to ask
TOKENS = [f"token-{n}" for n in range(ACCOUNTS)]


def test_each_account_has_its_own_rows_once_through_kills_around_the_checkpoint(tmp_path: Path) -> None:
    """An account's sensors are in regions of its own, so a row of another account shows."""
    settings = config(TABLES, http={"address": "127.0.0.1:0", "tokens": tokens()}, listener=listener())
    hastily = hasty(tmp_path, FAULT_FLUSH_AFTER_S="2", FAULT_MOST_FLUSHED_ALONE=str(MOST_FLUSHED_ALONE))
    with hastily, Product(tmp_path, settings) as product:
        load = Sender(
            product, seconds=3600, rate=300, tables=TABLES, connections=30, sensors=2_400, accounts=ACCOUNTS, late=0.05,
            late_by=3,
        )  # fmt: skip
        with load as sender:
            for moment in ("checkpoint to be saved", "checkpoint saved", "positions saved"):
                die_at(product, moment, timeout_s=120)
            sender.stop()
            sender.result()
        assert_nothing_lost(product, sender, tables=TABLES, tokens=TOKENS, timeout_s=300)

        assert list(product.data_dir.glob("magnetic/_streamgauge/state/*/readings/0/checkpoint/*"))
        for number, token in enumerate(TOKENS):
            with product.client(token) as client:
                regions = ask(client, 'SELECT DISTINCT region FROM "faults"."table_03"')["region"].to_pylist()
            assert {int(region.removeprefix("region-")) % ACCOUNTS for region in regions} == {number}


def tokens() -> list[dict[str, str]]:
    return [{"token": token, "account": f"farm-{n}"} for n, token in enumerate(TOKENS)]


def listener() -> dict[str, object]:
    users = [{"username": f"farm-{n}", "password": f"secret-{n}", "account": f"farm-{n}"} for n in range(ACCOUNTS)]
    return {"address": "127.0.0.1:0", "users": users}

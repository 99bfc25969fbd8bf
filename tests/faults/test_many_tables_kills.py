"""Ten accounts of twenty tables each, written at once and killed: small tables share a checkpoint file."""

from pathlib import Path

import numpy as np
import pytest
from fault_kit import FIRST_ID, Sender, ask, assert_nothing_lost, config, die_at, hasty, publish_for, stored_ids

from pipeline.testing import Product, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

ACCOUNTS, TABLES = 10, 20
FIRST_OF = {account: FIRST_ID + account * 100_000_000 for account in range(ACCOUNTS)}


def test_each_account_has_its_own_rows_once_through_kills_around_the_checkpoint(tmp_path: Path) -> None:
    """One sender per account, ids of a range of its own: what an account sees is exactly what it sent."""
    settings = config(TABLES, http={"address": "127.0.0.1:0", "tokens": tokens()}, listener=listener())
    with hasty(tmp_path), Product(tmp_path, settings) as product:
        senders = [sender_of(product, account) for account in range(ACCOUNTS)]
        try:
            for moment in ("checkpoint to be saved", "checkpoint saved", "positions to be saved", "before commit"):
                publish_for(1)
                die_at(product, moment)
            wait_for(product.is_answering, "the product answers")
            for sender in senders:
                sender.stop()
            for sender in senders:
                sender.result()
            for account, sender in enumerate(senders):
                assert_nothing_lost(product, sender, tables=TABLES, token=f"token-{account}")
        finally:
            for sender in senders:
                sender.__exit__()

        assert (product.data_dir / "store" / "checkpoint").stat().st_size > 0
        for account, first in FIRST_OF.items():
            ids = stored_ids(product, TABLES, f"token-{account}")
            assert np.all((ids >= first) & (ids < first + 100_000_000)), "rows of another account"
        with product.client("token-3") as client:
            count = ask(client, 'SELECT COUNT(*) AS n FROM "faults"."table_07"')["n"][0].as_py()
        assert count > 0


def tokens() -> list[dict[str, str]]:
    return [{"token": f"token-{n}", "account": f"farm-{n}"} for n in range(ACCOUNTS)]


def listener() -> dict[str, object]:
    users = [{"username": f"farm-{n}", "password": f"secret-{n}", "account": f"farm-{n}"} for n in range(ACCOUNTS)]
    return {"address": "127.0.0.1:0", "users": users}


def sender_of(product: Product, account: int) -> Sender:
    return Sender(
        product, seconds=3600, rate=200, tables=TABLES, connections=4, sensors=2_400, late=0.05, late_by=3,
        first_id=FIRST_OF[account], accounts=1, name=f"sender-{account}",
        username=f"farm-{account}", password=f"secret-{account}",
    )  # fmt: skip

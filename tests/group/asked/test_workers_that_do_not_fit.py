"""A worker that joins with another idea of the group is refused by name, or refuses; the others go on without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificate_files import Authority
from tests.support.group_kit import ZONES, count, device, publish, refusal, shared_out
from tests.support.group_product import GroupProduct, Part
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]


@contextmanager
def joined(group: GroupProduct, **sections: Any) -> Iterator[Part]:
    """A third worker with partitions of its own; it leaves with the block, and the others have them all again."""
    worker = group.add_worker(**sections)
    try:
        wait_for(lambda: shared_out(group), "three workers have partitions", timeout_s=60)
        yield worker
    finally:
        worker.end()
        group.workers.remove(worker)
    wait_for(lambda: shared_out(group), "two workers have them all", timeout_s=60)


def test_who_trusts_another_authority_does_not_believe_the_others_who_go_on(
    group: GroupProduct, authority: Authority, tmp_path: Path
) -> None:
    """Workers ask each other by HTTPS, for rows that only the other one has, and for alerts, which only one keeps."""
    stranger = Authority(tmp_path, "stranger")
    trusting = [*group.workers]
    peers = {"token": "a token of the workers'", "ca": str(stranger.ca)}
    with joined(group, peers=peers) as distrustful:
        with device(group) as sensor:
            publish(sensor, house="trust", temperature=20.0)

        for worker in trusting:
            wait_for(lambda worker=worker: count(worker, "trust") == len(ZONES), "it has the others' rows")  # type: ignore[misc]
            with worker.client() as client:
                assert client.get("v1", "alerts", parameters=[("zone", "trust/z0")]) == {"alerts": [], "next": None}
        wait_for(lambda: "CERTIFICATE_VERIFY_FAILED" in str(refusal(distrustful)), "the reason")


def test_workers_on_different_magnetic_tiers_do_not_answer_for_each_other(group: GroupProduct, tmp_path: Path) -> None:
    """Each would have some of the history only."""
    with joined(group, magnetic={"url": str(tmp_path / "elsewhere")}):

        def why() -> str:
            return refusal(group.workers[0], "v1", "zones") or ""

        wait_for(lambda: "another magnetic tier" in why(), "it is refused with the reason")

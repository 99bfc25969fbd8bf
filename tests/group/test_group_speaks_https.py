"""Workers that ask each other by HTTPS believe the authority that `peers.ca` names, and nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.certificate_files import Authority
from tests.support.group_kit import ZONES, count, device, publish, refusal, shared_out
from tests.support.group_product import GroupProduct
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


def test_workers_answer_for_each_other_by_https(start: Any, tmp_path: Path) -> None:
    """Rows that only the other one has, and alerts, which only one keeps; the last worker trusts another authority."""
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    certificate, key = authority.issue("http")
    tls = {"certificate": str(certificate), "key": str(key)}
    peers = {"ca": str(authority.ca), "token": "a token of the workers'"}
    product: GroupProduct = start(
        sections={"http": {"tls": tls}, "peers": peers},
        ca=authority.ca,
        workers=3,
        overrides={2: {"peers": {**peers, "ca": str(stranger.ca)}}},
    )
    trusting, distrustful = product.workers[:2], product.workers[2]
    wait_for(lambda: shared_out(product), "each worker has partitions", timeout_s=60)
    with device(product) as sensor:
        publish(sensor, temperature=20.0)

    for worker in trusting:
        wait_for(lambda worker=worker: count(worker) == len(ZONES), "it has the others' rows")  # type: ignore[misc]
        with worker.client() as client:
            assert client.get("v1", "alerts") == {"alerts": [], "next": None}
    wait_for(lambda: "CERTIFICATE_VERIFY_FAILED" in str(refusal(distrustful)), "the reason")

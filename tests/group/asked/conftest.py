"""One group for all tests of this folder, each with a greenhouse or a database of its own; whoever dies comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.operations.demo import Receiver
from tests.support.certificate_files import Authority
from tests.support.group_kit import group_config, shared_out
from tests.support.group_product import GroupProduct
from tests.support.kafka_broker import Broker
from tests.support.waiting import wait_for

TOKENS = [
    {"token": "of nobody in particular", "role": "admin"},
    {"token": "secret", "account": "farm-7", "role": "admin"},
]


@pytest.fixture(scope="package")
def receiver() -> Iterator[Receiver]:
    hook = Receiver()
    yield hook
    hook.stop()


@pytest.fixture(scope="package")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the workers' certificate."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="package")
def running(
    kafka: Broker, receiver: Receiver, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GroupProduct]:
    folder = tmp_path_factory.mktemp("group")
    certificate, key = authority.issue("http")
    webhook = {"url": f"http://127.0.0.1:{receiver.port}/", "secret": receiver.secret, "allow_private": True}
    sections: dict[str, Any] = {
        "http": {"tokens": TOKENS, "tls": {"certificate": str(certificate), "key": str(key)}},
        "peers": {"token": "a token of the workers'", "ca": str(authority.ca)},
        "receivers": [{"name": "growers", "webhook": webhook}],
    }
    config = group_config(kafka, folder, **sections)
    with GroupProduct(folder, config, ca=authority.ca, token=TOKENS[0]["token"]) as product:
        yield product


@pytest.fixture
def group(running: GroupProduct) -> GroupProduct:
    """Two gateways and two workers, which speak HTTPS; each worker has partitions."""
    wait_for(lambda: shared_out(running), "each worker has partitions", timeout_s=60)
    return running

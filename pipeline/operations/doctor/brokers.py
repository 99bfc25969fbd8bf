"""The configured MQTT brokers: whether a gateway would receive their messages."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from pipeline.config import Config
from pipeline.operations.doctor.finding import Finding, fail, ok

NAME = "brokers"


def check_brokers(config: Config) -> Iterator[Finding]:
    """One finding per broker, or one for each of its problems; all are tried at the same time."""
    if not config.brokers:
        return
    from pipeline.gateway.brokers.reachability import check_broker  # noqa: PLC0415  paho only where there are brokers

    with ThreadPoolExecutor(len(config.brokers)) as pool:
        for found in pool.map(check_broker, config.brokers):
            if found.is_ok:
                yield ok(NAME, f"{found.broker}: accepts the connection and the subscription")
            for trouble in found.troubles:
                yield fail(NAME, f"{found.broker}: {trouble.what}", trouble.remedy)

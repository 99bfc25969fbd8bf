"""Kafka as the log: whether it accepts the connection, and has our topics or lets us create them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from pipeline.config import Config
from pipeline.operations.doctor.finding import Finding, fail, ok

NAME = "kafka"
REQUEST_S = 2.0  # short, because a person waits for the doctor


def check_kafka(config: Config) -> Iterator[Finding]:
    """One finding, if the log is Kafka."""
    if not config.log_settings.is_kafka:
        return
    from pipeline.log.kafka.reachability import look_at  # noqa: PLC0415  aiokafka only where Kafka is the log

    found = asyncio.run(look_at(replace(config.log_settings, request_s=REQUEST_S)))
    yield ok(NAME, found.what) if found.is_ok else fail(NAME, found.what, found.remedy)

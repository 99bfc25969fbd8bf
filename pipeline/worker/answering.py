"""Assembles the services that HTTP answers from."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from pipeline.alerting.receivers.sns_topics import SnsTopics
from pipeline.api.http.console_place import ConsolePlace
from pipeline.api.http.credentials import Credentials, Grant, Who
from pipeline.api.http.fair_queue import Limits
from pipeline.api.http.services import Services
from pipeline.api.http.slots import QuerySlots
from pipeline.base.arrival import host_stamps
from pipeline.base.errors import Busy, LogFull, LogUnavailable, OverQuota, PeerUnavailable
from pipeline.config import Config, Table
from pipeline.log import open_appender
from pipeline.stream.normalise.routes import routes_from
from pipeline.stream.partitioning import partition_of_message, partition_of_record, zonings_from
from pipeline.stream.writes import LogWriter
from pipeline.worker.derived_metrics import DerivedMetrics
from pipeline.worker.group import Group
from pipeline.worker.metered_queries import MeteredQueries, QueryUses
from pipeline.worker.quota_guard import QuotaGuard
from store.endpoint import Endpoint
from store.endpoint.payload import WriteRecord
from store.errors import Behind, MagneticUnavailable, PartitionSilent
from store.processes.pool import QueryProcesses
from store.record import TableId

ENCODERS = (
    "pipeline.api.http.results",
    "store.endpoint.rows",
    "store.endpoint.scheduled.rows",
    "store.endpoint.description",
    "store.unload.writer",
)
"""What query processes need besides SQL."""
NOT_NOW = (LogFull, LogUnavailable, PeerUnavailable, PartitionSilent, Behind, MagneticUnavailable, Busy, OverQuota)


class PartitionChoice:
    """Chooses the partition of [readings] for messages and records."""

    def __init__(self, tables: Sequence[Table], partitions: int) -> None:
        self._zonings = zonings_from(tables)
        self._partitions = partitions

    def of_message(self, account: str, mqtt_topic: str) -> int:
        """The partition for a message."""
        return partition_of_message(self._zonings, self._partitions, account, mqtt_topic)

    def of_record(self, table: TableId, record: WriteRecord) -> int:
        """The partition for a record."""
        if self._partitions == 1:
            return 0
        where = table.account, table.database, table.table
        return partition_of_record(self._partitions, *where, record.zone, dict(record.dimensions))


@dataclass(frozen=True, slots=True)
class Archives:
    """The archives of alerts and dead letters of this worker."""

    alerts: AlertArchive
    dead_letters: DeadLetterArchive


def services_of(
    config: Config, group: Group, choice: PartitionChoice, archives: Archives, uses: QueryUses, guard: QuotaGuard
) -> Services:
    """The services of HTTP; what other workers own is requested from them. `uses` counts what queries scan."""
    appender = open_appender(config.log_settings)
    stamps = host_stamps()
    writer = LogWriter(appender, group.outcome_of, choice.of_record, stamps, guard.admit_records)
    prefix = group.pages.prefix
    asked = config.queries
    executor = MeteredQueries(QueryProcesses(group.readable, asked.limits, ENCODERS, idle=asked.slots), uses)
    endpoint = Endpoint(
        group.tables,
        writer,
        executor,
        clock_ns=time.time_ns,
        refusals=NOT_NOW,
        page_prefix=prefix,
        page_bytes=asked.pages,
        topics=SnsTopics(config.sns_topics, config.receivers, config.brokers),
        rollups=config.rollup_tables,
        observer=DerivedMetrics(),
    )
    limits = Limits(asked.slots, asked.slots_per_account, asked.waiting, asked.waiting_per_account)
    timeout_s = asked.timeout.total_seconds()
    owned = group.owned
    accounts = {account for bucket in config.buckets for account in bucket.accounts}
    places = {account: config.buckets_of(account, os.environ) for account in accounts}
    return Services(
        store=group.tables,
        endpoint=endpoint,
        alerts=archives.alerts,
        dead_letters=archives.dead_letters,
        credentials=Credentials(
            Grant(token.token.get_secret_value(), Who(token.account, token.role)) for token in config.http.tokens
        ),
        appender=appender,
        progress=owned,
        partitions=lambda: sorted(partition.number for partition in owned),
        clock_ns=time.time_ns,
        executor=executor,
        queries=QuerySlots(limits=limits, timeout_s=timeout_s, admit=guard.admit_query),
        lists=QuerySlots("list", limits, timeout_s),
        directory=group.directory,
        log=group.admin,
        routes=routes_from(config.tables),
        deleted=group.deleted,
        owners=group.owners,
        rejected=group.rejected,
        transitions=group.transitions,
        altered=owned.altered.of,
        partition_of=choice.of_message,
        stamps=stamps,
        usage=group.usage.all,
        prices=config.prices,
        limits=config.http.limits,
        origins=config.http.cors_origins,
        hosts=config.answered_hosts(socket.gethostname()),
        buckets=lambda account: places.get(account, {}),
        rollups=config.rollup_tables,
        console=console_of(config),
        worker=uuid.uuid4().hex if config.log_settings.is_kafka else "",
        topic_owners=group,
        internal=group.internal,
    )


def console_of(config: Config) -> ConsolePlace | None:
    """Where the console is, if there is one."""
    console = config.console
    return None if console.address is None else ConsolePlace(console.address, console.url)

"""What questions are answered from, put together for HTTP: by a worker that is alone, or by one of a group."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from pipeline.archive.alerts import AlertArchive
from pipeline.archive.dead_letters import DeadLetterArchive
from pipeline.config import Config, Table
from pipeline.directory.rejected import rejected_messages
from pipeline.directory.stores import StoreDirectory
from pipeline.errors import LogFull, LogUnavailable, PeerUnavailable
from pipeline.group import Group
from pipeline.http.credentials import Credentials
from pipeline.http.services import Busy, QueryPool, Services
from pipeline.log import open_appender
from pipeline.partitioning import partition_of_message, partition_of_record, zonings_from
from pipeline.partitions.embedded import EmbeddedPartitions
from pipeline.writes import ANSWER_TIMEOUT_S, LogWriter
from store.endpoint import Endpoint
from store.endpoint.payload import WriteRecord
from store.errors import Behind, MagneticUnavailable, PartitionSilent
from store.record import TableId
from store.store import Applied

NOT_NOW = (LogFull, LogUnavailable, PeerUnavailable, PartitionSilent, Behind, MagneticUnavailable, Busy)


def services_alone(
    config: Config, partitions: EmbeddedPartitions, alerts: AlertArchive, dead_letters: DeadLetterArchive
) -> Services:
    """Everything is this worker's."""
    appender, queries = open_appender(config.log_settings), QueryPool()

    async def outcome_of(number: int, offset: int) -> Applied:
        partition = partitions.owned.get(number)
        assert partition is not None
        return await partition.writes.outcome(offset, ANSWER_TIMEOUT_S)

    writer = LogWriter(appender, outcome_of, lambda *_: 0, time.time_ns)
    return Services(
        store=partitions.store,
        endpoint=Endpoint(partitions.store, writer, clock_ns=time.time_ns, run=queries.run, refusals=NOT_NOW),
        alerts=alerts,
        dead_letters=dead_letters,
        credentials=Credentials(config.http.accounts_by_token()),
        appender=appender,
        progress=partitions.owned,
        partitions=lambda: [0],
        clock_ns=time.time_ns,
        queries=queries,
        directory=StoreDirectory(partitions.catalog, lambda: [partitions.store]),
        rejected=partial(rejected_messages, dead_letters),
        partition_of=lambda *_: 0,
    )


class PartitionChoice:
    """Which partition of [readings] messages and records go to."""

    def __init__(self, tables: Sequence[Table], partitions: int) -> None:
        self._zonings = zonings_from(tables)
        self._partitions = partitions

    def of_message(self, account: str, mqtt_topic: str) -> int:
        """The partition of a message."""
        return partition_of_message(self._zonings, self._partitions, account, mqtt_topic)

    def of_record(self, table: TableId, record: WriteRecord) -> int:
        """The partition of a record."""
        where = table.account, table.database, table.table
        return partition_of_record(self._partitions, *where, record.zone, dict(record.dimensions))


def services_in_group(
    config: Config, group: Group, choice: PartitionChoice, alerts: AlertArchive, dead_letters: DeadLetterArchive
) -> Services:
    """What other workers have is asked of them."""
    appender, queries = open_appender(config.log_settings), QueryPool()
    writer = LogWriter(appender, group.outcome_of, choice.of_record, time.time_ns)
    return Services(
        store=group.tables,
        endpoint=Endpoint(group.tables, writer, clock_ns=time.time_ns, run=queries.run, refusals=NOT_NOW),
        alerts=alerts,
        dead_letters=dead_letters,
        credentials=Credentials(config.http.accounts_by_token()),
        appender=appender,
        progress=group.owned,
        partitions=lambda: sorted(partition.number for partition in group.owned),
        clock_ns=time.time_ns,
        queries=queries,
        directory=group.directory,
        rejected=group.rejected,
        partition_of=choice.of_message,
        keepers=group,
        internal=group.internal,
    )

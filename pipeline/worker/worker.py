"""The worker process: Faust agents, store, rules, archives, webhooks and HTTP, assembled, started and drained.

Start: every consumer loads its saved position, then the stream reads the log from the lowest one. End (SIGTERM): the
stream processes the rest of the log, everything is flushed, positions are saved. If a stage fails for a reason other
than the data, the process ends at once, as by SIGKILL; the next start replays the log from the positions.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.alerting.alerts_to_webhooks import alerts_to_webhooks
from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from pipeline.alerting.archive.starting import start_offset
from pipeline.alerting.dead_letters_to_archive import dead_letters_to_archive
from pipeline.alerting.receivers import AlertsPartition
from pipeline.api.http.app import create_app
from pipeline.api.http.checkup import Checkup, Findings
from pipeline.api.http.metrics_server import metrics_server
from pipeline.api.http.server import HttpServer
from pipeline.api.http.services import Services
from pipeline.base import metrics
from pipeline.base.clock import Steps
from pipeline.base.errors import ArchiveError, ConfigError, LogError
from pipeline.base.lock import sole
from pipeline.base.ports import listen, taken_ports_explained
from pipeline.base.process_metrics import ProcessMetrics
from pipeline.base.tls.handshakes import Counted
from pipeline.base.tls.reloading import POLL_S, ReloadingContext
from pipeline.cluster.departed import LOOK_EVERY_S as DEPARTED_EVERY_S
from pipeline.cluster.departed import Departed, remove_former_self
from pipeline.config import Address, Config
from pipeline.log import lock_worker, open_admin, open_appender
from pipeline.log.faust.app import App
from pipeline.log.faust.transport import LogUse, TopicPartitions
from pipeline.log.topics import ALERTS, DEAD_LETTERS, READINGS
from pipeline.stream.detectors import RuleDetectors, Wanted, detectors_of
from pipeline.stream.partitions.manager import PartitionManager
from pipeline.stream.rule_book import RuleBook, say_patterns_without_files
from pipeline.stream.rule_files import Reloaded, RuleFiles
from pipeline.stream.stages.readings_to_records import readings_to_records
from pipeline.stream.stages.records_to_alerts import records_to_alerts
from pipeline.stream.stages.records_to_store import records_to_store
from pipeline.stream.topology import Outlets, Stages, build
from pipeline.stream.usage.metering import SAMPLE_EVERY_S
from pipeline.worker.alert_history import AlertHistory
from pipeline.worker.answering import Archives, PartitionChoice, services_of
from pipeline.worker.gauges import OFTEN_S, SELDOM_S, Gauges
from pipeline.worker.group import Group
from pipeline.worker.metered_queries import TELL_EVERY_S, QueryUses
from pipeline.worker.migration import migrate
from pipeline.worker.quota_guard import LOOK_EVERY_S, QuotaGuard
from pipeline.worker.reloading import Reloading
from pipeline.worker.tier_owner import right_to_tier
from pipeline.worker.upkeep import (
    ARCHIVES_EVERY_S,
    RULES_EVERY_S,
    RULES_LOOK_S,
    TRIM_EVERY_S,
    StoreMaintenance,
    Trimmer,
    every,
)
from pipeline.worker.usage_upkeep import SAVE_LOOK_S, UsageUpkeep
from rules import RuleFileError
from store.errors import MagneticTierError, StoreError, StoreFormatError
from store.objects import damage

log = logging.getLogger(__name__)

DRAIN_TIMEOUT_S = 20.0
FOR_GOOD = 2  # exit code: `up` does not restart the worker
# The event loop decodes messages while queries run in threads: with the default, Python code of a query would block it
# for 5 ms at a time.
SWITCH_INTERVAL_S = 0.0005


def run(
    config: Config,
    again: Callable[[], Config],
    file: Path | None = None,
    examine: Callable[[], Findings] | None = None,
) -> None:
    """Run a worker until SIGTERM or SIGINT, then end the process. `again` loads the configuration again, from `file`.

    `examine` is the doctor, for HTTP; it may block for some seconds. None: there is none.
    Raises ConfigError, LogLocked, RuleFileError before it starts.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    damage.observe(metrics.count_damage)
    asyncio.run(Worker(config, again, file, examine).run())
    # Everything is saved and closed. A normal exit of the interpreter would wait for threads that run abandoned
    # queries, and DuckDB's bindings would print warnings about their references to standard error.
    logging.shutdown()
    os._exit(0)


def fail(error: BaseException) -> None:
    """End this process now: after an unexpected failure nothing may be saved. That of a disk is told in one line."""
    metrics.worker_failures.inc()
    is_of_disk = isinstance(error, (LogError, ArchiveError, MagneticTierError)) or getattr(error, "filename", None)
    log.critical(
        "the worker ends because of an error%s; after a restart it replays the log from its positions",
        f": {error}" if is_of_disk else "",
        exc_info=None if is_of_disk else error,
    )
    logging.shutdown()
    os._exit(1)


def refuse(error: StoreError) -> None:
    """End this process now: the message says what the operator must do. With FOR_GOOD if no restart can correct it."""
    log.critical("%s", error)
    logging.shutdown()
    os._exit(FOR_GOOD if isinstance(error, StoreFormatError) else 1)


async def _fail_with(app: App) -> None:
    """Fail if Faust has crashed by itself, for example because the log cannot be read.

    Faust only stops, without a message.
    """
    await app.wait_until_stopped()
    fail(app.crash_reason or RuntimeError("Faust stopped unexpectedly"))


class Worker:
    """All parts of one worker process."""

    def __init__(
        self,
        config: Config,
        again: Callable[[], Config],
        file: Path | None = None,
        examine: Callable[[], Findings] | None = None,
    ) -> None:
        layout = config.layout
        self.config = config
        self.checkup = None if examine is None else Checkup(examine)
        self.http_tls = None if config.http_tls is None else ReloadingContext(config.http_tls, "http", Counted)
        self.held = contextlib.ExitStack()
        self.held.enter_context(sole(layout.worker_lock, "streamgauge worker"))
        self.held.enter_context(lock_worker(config.log_settings))
        self.admin = open_admin(config.log_settings)
        self.held.enter_context(right_to_tier(config, self.admin))
        migrate(config, self.admin)
        self.rules = RuleFiles(config, self.admin.partitions_of(READINGS))
        self.partitions = PartitionManager(config, self.admin, self.rules.generation)
        self.book = RuleBook(self.rules.rules, self.partitions.owned, self._table_names)
        self.book.look(time.time_ns())
        say_patterns_without_files(config.rules, config.rule_files_of)
        self.alerts = AlertArchive(layout.alerts)
        self.dead_letters = DeadLetterArchive(layout.dead_letters)
        self.alerts_partition = AlertsPartition(config, self.alerts, self.admin.partition_id(ALERTS))
        self.reloading = Reloading(self.rules, again, self.partitions, self.book, self.alerts_partition, file)
        self.steps = Steps("worker")
        self.query_uses = QueryUses(uuid.uuid4().hex, time.time_ns)
        self.guard = QuotaGuard(config.quotas, time.time_ns)
        self.partitions.over_storage = self.guard.over_storage
        self.usage = UsageUpkeep(self.partitions.owned, self.query_uses, time.time_ns)
        self._append_alerts: Callable[[bytes], Awaitable[Any]] | None = None  # once the topology runs
        self.maintenance = StoreMaintenance(self.partitions.maintain, fail)

    async def run(self) -> None:
        """Start everything, wait for a signal, drain, end."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        listener = listen(*self.config.http.host_and_port)
        group = self._group(listener)
        use = LogUse(
            self.config.log_settings,
            lambda tp: self._start_offset(tp.topic, tp.partition),
            self._on_assigned,
            self._on_revoked,
            group.own,
        )
        app = build(use, self._stages(), fail)

        def load_again() -> None:
            loop.call_soon_threadsafe(self._take_up_anew, app)

        self.partitions.on_fenced = load_again
        app_of_http = create_app(self._services(group))
        http = HttpServer(app_of_http, listener, fail, self.http_tls, self.config.http.limits)
        http.start()
        self._serve_metrics()
        if self.admin.others_take_over:
            await remove_former_self(self.admin, group.own)
        history = AlertHistory(open_appender(self.config.log_settings), self._choice())
        await history.start()
        self.alerts_partition.record = history.record
        await app.start()
        watch = asyncio.create_task(_fail_with(app))
        # After Faust, which installs its own handlers.
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        # SIGHUP: the terminal was closed, or the operator wants certificates and rules to be loaded again.
        loop.add_signal_handler(signal.SIGHUP, stop.set if sys.stderr.isatty() else self._reload)
        self.maintenance.start()
        upkeep = [asyncio.create_task(job) for job in self._upkeep(group)]
        log.info("worker ready: HTTP on %s:%d", *http.address)
        await stop.wait()
        for task in upkeep:
            task.cancel()
        watch.cancel()
        await self.usage.tell()
        if self.admin.others_take_over:  # the others continue, and still ask this worker meanwhile
            await app.stop()
            await asyncio.to_thread(http.stop)
        else:
            await self._drain()
            await asyncio.to_thread(http.stop)
            await app.stop()
        group.close()
        await history.stop()
        await self._save()

    def _serve_metrics(self) -> None:
        """Answer at `http.metrics` until the process ends. Raises PortTaken."""
        address = self.config.http.metrics
        if address is not None:
            with taken_ports_explained(address, "http.metrics"):
                server = metrics_server(address, self.config.own_hosts(socket.gethostname()), fail)
            server.start()
            log.info("metrics at http://%s/metrics", Address(*server.address))

    def _take_up_anew(self, app: Any) -> None:
        self._rejoining = asyncio.create_task(app.consumer.rejoin())

    async def _on_assigned(self, assigned: TopicPartitions) -> None:
        """Own exactly these partitions from now on."""
        try:
            await self.partitions.assigned({tp.partition for tp in assigned if tp.topic == READINGS})
        except StoreError as error:
            refuse(error)
        if any(tp.topic == ALERTS for tp in assigned):
            extent = await asyncio.to_thread(self.admin.extent, ALERTS)
            self.alerts_partition.assigned(extent.next_offset)

    async def _on_revoked(self, _: TopicPartitions) -> None:
        """Give up all partitions: the next assignment may give them to other workers."""
        await self.partitions.revoked()
        await self.alerts_partition.revoked()

    def _stages(self) -> Stages:
        return Stages(
            readings_to_records=lambda stream, outlets: readings_to_records(
                stream, self.partitions.owned, outlets.dead_letters, outlets.records
            ),
            records_to_store=records_to_store,
            records_to_alerts=self._records_to_alerts,
            alerts_to_webhooks=lambda stream, outlets: alerts_to_webhooks(
                stream,
                self.alerts_partition,
                outlets.alerts,
                outlets.dead_letters,
                others_take_over=self.admin.others_take_over,
            ),
            dead_letters_to_archive=partial(
                dead_letters_to_archive, archive=self.dead_letters, name=self.admin.partition_id(DEAD_LETTERS)
            ),
        )

    async def _records_to_alerts(self, stream: Any, outlets: Outlets) -> None:
        self._append_alerts = outlets.alerts
        self.reloading.append = self.usage.append = outlets.readings
        await records_to_alerts(stream, outlets.alerts)

    def _table_names(self, account: str | None) -> set[str]:
        return {table.name for table in self.config.tables} | self.partitions.table_names(account)

    def _start_offset(self, topic: str, partition: int) -> int | None:
        """The saved position of a consumer."""
        if topic == READINGS:
            return self.partitions.start_offset(partition)
        stream = self.admin.partition_id(topic, partition)
        # if another worker can take over, the topic is not trimmed, and the archive made from it
        first = 0 if self.admin.others_take_over else self.admin.extent(topic, partition).first
        return start_offset(self.alerts if topic == ALERTS else self.dead_letters, stream, first)

    def _group(self, listener: socket.socket) -> Group:
        """The workers of the log."""
        host, port = listener.getsockname()[:2]
        archives, pending = (self.alerts, self.dead_letters), self.query_uses.pending
        return Group(self.config, Address(host, port), self.admin, self.partitions, *archives, pending)

    def _choice(self) -> PartitionChoice:
        return PartitionChoice(self.config.tables, self.admin.partitions_of(READINGS))

    def _services(self, group: Group) -> Services:
        archives = Archives(self.alerts, self.dead_letters)
        services = services_of(self.config, group, self._choice(), archives, self.query_uses, self.guard)
        loop = asyncio.get_running_loop()

        async def reload() -> Reloaded:  # called in HTTP's event loop
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.reloading.reload(), loop))

        async def look_at_detectors(wanted: Wanted) -> list[RuleDetectors]:
            return detectors_of((partition.rules.engine for partition in self.partitions.owned), wanted)

        async def detectors(wanted: Wanted) -> list[RuleDetectors]:  # as above
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(look_at_detectors(wanted), loop))

        return replace(
            services,
            doctor=self.checkup,
            steps=self.steps,
            rules=self.book,
            rule_files=self.rules.shown_to,
            reload=reload,
            detectors=detectors,
            receivers=lambda: self.alerts_partition.config.receivers,
            plan=lambda: self.alerts_partition.plan,
        )

    def _trimmer(self) -> Trimmer:
        # If another worker can take over, it makes its archives from these topics: they are not trimmed.
        archives: Mapping[str, AlertArchive | DeadLetterArchive]
        archives = {} if self.admin.others_take_over else {ALERTS: self.alerts, DEAD_LETTERS: self.dead_letters}
        return Trimmer(self.admin, self.partitions.owned, archives, self.config.layout.trim_lock)

    def _reload(self) -> None:
        if self.http_tls is not None:
            self.http_tls.reload()
        self._reloads = asyncio.create_task(self._reload_rules())

    async def _reload_rules(self) -> None:
        try:
            found = await self.reloading.reload()
            log.info("SIGHUP: %d rules, %s", found.rules, "in force" if found.is_in_force else "in force soon")
            if found.needs_restart:
                log.warning("SIGHUP: a restart is needed for changes of %s", ", ".join(found.needs_restart))
        except (RuleFileError, ConfigError) as error:
            log.error("SIGHUP: nothing was changed:\n%s", error)  # noqa: TRY400  # of files, not of this program

    def _upkeep(self, group: Group) -> list[Any]:
        trimmer = self._trimmer()

        async def rules() -> None:
            for partition in self.partitions.owned:
                await partition.rules.save_when_due(time.monotonic())

        async def look_at_rules() -> None:
            for partition in self.partitions.owned:
                if self._append_alerts is not None:
                    await partition.rules.tell_ended(self._append_alerts)
            self.book.look(time.time_ns())

        gauges = Gauges(self.config, self.partitions.owned, self.alerts, lambda: self.alerts_partition.plan)

        async def archives() -> None:
            now_ns = min((partition.store.settled_ns for partition in self.partitions.owned), default=0)
            await asyncio.to_thread(self.dead_letters.retain, now_ns)
            await asyncio.to_thread(self.alerts.retain, now_ns)

        async def certificates() -> None:
            if self.http_tls is not None:
                self.http_tls.poll()

        return [
            every(POLL_S, certificates, fail),
            every(RULES_EVERY_S, rules, fail),
            every(RULES_LOOK_S, self.reloading.look, fail),
            every(RULES_LOOK_S, look_at_rules, fail),
            every(TELL_EVERY_S, self.usage.tell, fail),
            every(SAVE_LOOK_S, self.usage.save, fail),
            every(SAMPLE_EVERY_S, self.usage.sample, fail),
            every(LOOK_EVERY_S, lambda: self.guard.look(group.usage.all), fail),
            every(TRIM_EVERY_S, trimmer.trim, fail),
            every(OFTEN_S, gauges.often, fail),
            every(SELDOM_S, gauges.seldom, fail),
            ProcessMetrics("worker").keep_updated(),
            self.steps.watch(),
            every(ARCHIVES_EVERY_S, archives, fail),
            *(
                [every(DEPARTED_EVERY_S, Departed(self.admin, group.own).look, fail)]
                if self.admin.others_take_over
                else []
            ),
        ]

    async def _drain(self) -> None:
        """Process the messages that are in the log now."""
        owned = self.partitions.owned
        targets = [(of.progress, of.progress.next_offset() - 1) for of in owned]
        deadline = time.monotonic() + DRAIN_TIMEOUT_S

        def is_done() -> bool:
            return all(progress.applied_offset >= target for progress, target in targets)

        while not is_done() and time.monotonic() < deadline:  # noqa: ASYNC110  # an event
            await asyncio.sleep(0.02)  # would cost the stage a check at every batch, for this one moment
        if not is_done():
            log.warning("ended with %d frames not applied; they are applied at the next start", owned.frames_behind)

    async def _save(self) -> None:
        self.maintenance.stop()
        await self.partitions.save()
        await self._trimmer().trim()
        self.partitions.close()
        self.alerts.close()
        self.dead_letters.close()
        self.admin.close()
        self.held.close()

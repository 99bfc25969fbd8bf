"""The worker process: Faust agents, store, rules, archives, webhooks and HTTP, put together, started and drained.

Start: everything takes up its own saved position, then the stream reads the log from the lowest of them. End (SIGTERM):
the stream works off what the log held, everything is flushed, positions are saved. If a stage fails for a reason that
is not the data's fault, the process ends at once, as by SIGKILL; starting again replays from the positions.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import sys
import time
from functools import partial
from typing import Any

from pipeline import metrics
from pipeline.archive.alerts import AlertArchive
from pipeline.archive.dead_letters import DeadLetterArchive
from pipeline.config import Config
from pipeline.errors import FrameError, LogFull
from pipeline.frame import decode_frame
from pipeline.gauges import OFTEN_S, SELDOM_S, Gauges
from pipeline.http.app import create_app
from pipeline.http.credentials import Credentials
from pipeline.http.server import HttpServer, listen
from pipeline.http.services import Busy, QueryPool, Services
from pipeline.http.zones import Zones
from pipeline.log import lock_worker, open_admin, open_appender
from pipeline.log.limits import Limits
from pipeline.log.topics import ALERTS, DEAD_LETTERS, READINGS
from pipeline.log.transport import LogUse
from pipeline.log.transport_app import App
from pipeline.normalise.normaliser import Normaliser
from pipeline.normalise.routes import routes_from
from pipeline.process_figures import ProcessFigures
from pipeline.progress import Progress
from pipeline.rule_state import RuleState
from pipeline.stages.alerts_to_webhooks import alerts_to_webhooks
from pipeline.stages.dead_letters_to_archive import dead_letters_to_archive
from pipeline.stages.readings_to_records import readings_to_records
from pipeline.stages.records_to_alerts import records_to_alerts
from pipeline.stages.records_to_store import records_to_store
from pipeline.topology import Stages, build
from pipeline.upkeep import (
    ARCHIVES_EVERY_S,
    RULES_EVERY_S,
    TRIM_EVERY_S,
    StoreMaintenance,
    Trimmer,
    every,
)
from pipeline.webhooks import WebhookSender
from pipeline.writes import LogWriter, PendingWrites
from rules import Engine, load_rules
from store.endpoint import Endpoint
from store.store import Store

log = logging.getLogger(__name__)

DRAIN_TIMEOUT_S = 20.0
# The event loop decodes while queries run in threads: without this, a query's Python parts hold it for 5 ms at a time.
SWITCH_INTERVAL_S = 0.0005


def run(config: Config) -> None:
    """Run a worker until SIGTERM or SIGINT, then end the process.

    Raises ConfigError, LogLocked, RuleFileError before it starts.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    asyncio.run(Worker(config).run())
    # Everything is saved and closed. The interpreter's own end would wait for threads in the midst of a query whose
    # asker is gone, and DuckDB's bindings write lines about references still held in them to standard error.
    logging.shutdown()
    os._exit(0)


def fail(error: BaseException) -> None:
    """End this process now: nothing may be saved after a failure that nobody understood."""
    metrics.worker_failures.inc()
    log.critical("the worker cannot go on and ends; started again it replays from its positions", exc_info=error)
    logging.shutdown()
    os._exit(1)


async def _fail_with(app: App) -> None:
    """Fail when Faust has crashed by itself (the log cannot be read, say): it only stops, and says nothing."""
    await app.wait_until_stopped()
    fail(app.crash_reason or RuntimeError("Faust stopped by itself"))


class Worker:
    """All parts of one worker process."""

    def __init__(self, config: Config) -> None:
        layout = config.layout
        self.config = config
        self.lock = lock_worker(config.log_url)
        self.admin = open_admin(config.log_url)
        self.stream = self.admin.stream(READINGS)
        self.rules = load_rules(config.rule_files)
        self.store = Store.open(
            layout.store,
            magnetic_url=config.magnetic_url,
            memory_limit_bytes=config.memory_limit,
            templates=config.templates(),
            clock_ns=time.time_ns,
        )
        self._warn_of_rules_without_table()
        self.rule_state = RuleState(Engine(self.rules, self.store.registry), layout.rules)
        self.rule_state.load()
        self.alerts = AlertArchive(layout.alerts)
        self.dead_letters = DeadLetterArchive(layout.dead_letters)
        start = self._start_offset(READINGS, 0)
        self.progress = Progress(
            lambda: self.admin.extent(READINGS).next_offset,
            self._first_arrival_ns,
            time.time_ns,
            applied_offset=(self.admin.extent(READINGS).first if start is None else start) - 1,
        )
        self.writes = PendingWrites()
        self.sender = WebhookSender(
            config.receivers,
            self.alerts,
            clock_ns=time.time_ns,
            rng=random.Random(),  # noqa: S311  # jitter
        )
        self.maintenance = StoreMaintenance(self.store, fail)

    async def run(self) -> None:
        """Start everything, wait for a signal, drain, end."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        use = LogUse(
            self.config.log_url,
            lambda tp: self._start_offset(tp.topic, tp.partition),
            Limits(self.config.log.max_bytes, self.config.log.min_free),
        )
        app = build(use, self._stages(), fail)
        http = self._http()
        http.start()
        await app.start()
        watch = asyncio.create_task(_fail_with(app))
        # After Faust, which installs handlers of its own.
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await self.sender.start()
        self.maintenance.start()
        upkeep = [asyncio.create_task(job) for job in self._upkeep()]
        log.info("worker ready: HTTP on %s:%d", *http.address)
        await stop.wait()
        await self._drain()
        for task in upkeep:
            task.cancel()
        await asyncio.to_thread(http.stop)
        watch.cancel()
        await app.stop()
        await self.sender.stop()
        await self._save()

    def _stages(self) -> Stages:
        routes = routes_from(self.config.tables)
        normaliser = Normaliser(routes, self.store.registry, self.stream, self.store.measure_types)
        return Stages(
            readings_to_records=lambda stream, outlets: readings_to_records(
                stream, normaliser, outlets.dead_letters, outlets.records
            ),
            records_to_store=partial(records_to_store, store=self.store, writes=self.writes, progress=self.progress),
            records_to_alerts=lambda stream, outlets: records_to_alerts(stream, self.rule_state, outlets.alerts),
            alerts_to_webhooks=partial(
                alerts_to_webhooks,
                archive=self.alerts,
                sender=self.sender,
                name=self.admin.stream(ALERTS),
            ),
            dead_letters_to_archive=partial(
                dead_letters_to_archive, archive=self.dead_letters, name=self.admin.stream(DEAD_LETTERS)
            ),
        )

    def _warn_of_rules_without_table(self) -> None:
        """A rule's table may come to be later, by CreateTable; a slip in its name would go unnoticed all the same."""
        known = {table.name for table in self.config.tables}
        known |= {f"{info.table.database}.{info.table.table}" for info in self.store.catalog.all_tables()}
        for name in sorted(self.rules.tables - known):
            log.warning(
                "rules are for the table %s, which does not exist; there are: %s", name, ", ".join(sorted(known))
            )

    def _start_offset(self, topic: str, partition: int) -> int | None:
        """Where each consumer left off; the readings from the lower of store and rules, each skips what it has."""
        stream = self.admin.stream(topic, partition)
        if topic == ALERTS:
            return self.alerts.next_offset(stream)
        if topic == DEAD_LETTERS:
            return self.dead_letters.next_offset(stream)
        store = self.store.replay_from(stream)
        # a floor of 0 was never saved, or is lost: the rules go through all that the log still has
        rules = self.rule_state.floor(stream) or self.admin.extent(topic, partition).first
        return None if store is None else min(store, rules)

    def _first_arrival_ns(self, offset: int) -> int | None:
        """When the first message of the frame at `offset` arrived."""
        messages = self.admin.read(READINGS, offset, 1)
        try:
            return decode_frame(messages[0].value).arrival_ns[0] if messages else None
        except FrameError:
            return None

    def _http(self) -> HttpServer:
        config = self.config
        appender = open_appender(config.log_url, max_bytes=config.log.max_bytes, min_free_bytes=config.log.min_free)
        queries = QueryPool()
        endpoint = Endpoint(
            self.store,
            LogWriter(appender, self.writes, time.time_ns),
            clock_ns=time.time_ns,
            run=queries.run,
            refusals=(LogFull, Busy),
        )
        services = Services(
            store=self.store,
            endpoint=endpoint,
            alerts=self.alerts,
            dead_letters=self.dead_letters,
            credentials=Credentials(config.http.accounts_by_token()),
            appender=appender,
            progress=self.progress,
            clock_ns=time.time_ns,
            queries=queries,
            zones=Zones(self.store),
        )
        return HttpServer(create_app(services), listen(*config.http.host_and_port), fail)

    def _upkeep(self) -> list[Any]:
        trimmer = Trimmer(self.admin, self.store, self.rule_state, self.alerts, self.dead_letters)

        gauges = Gauges(self.config, self.progress, self.store, self.alerts)

        async def archives() -> None:
            now_ns = time.time_ns()
            await asyncio.to_thread(self.dead_letters.retain, now_ns)
            await asyncio.to_thread(self.alerts.retain, now_ns)

        return [
            every(RULES_EVERY_S, self.rule_state.save_pass, fail),
            every(TRIM_EVERY_S, trimmer.trim, fail),
            every(OFTEN_S, gauges.often, fail),
            every(SELDOM_S, gauges.seldom, fail),
            ProcessFigures("worker").keep_updated(),
            every(ARCHIVES_EVERY_S, archives, fail),
        ]

    async def _drain(self) -> None:
        """Work off what the log holds at this moment."""
        target = self.progress.next_offset() - 1
        deadline = time.monotonic() + DRAIN_TIMEOUT_S
        while self.progress.applied_offset < target and time.monotonic() < deadline:  # noqa: ASYNC110  # an event
            await asyncio.sleep(0.02)  # would cost the stage a check at every batch, for this one moment
        if self.progress.applied_offset < target:
            log.warning("ended with %d frames to go; they are applied at the next start", self.progress.frames_behind)

    async def _save(self) -> None:
        self.maintenance.stop()
        await asyncio.to_thread(self.store.flush)
        await self.rule_state.save_pass()
        trimmer = Trimmer(self.admin, self.store, self.rule_state, self.alerts, self.dead_letters)
        await trimmer.trim()
        self.store.close()
        self.alerts.close()
        self.dead_letters.close()
        self.admin.close()

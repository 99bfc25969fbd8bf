"""Puts the rules of the files into force in the partitions of this worker: through the log, at one offset of each.

A partition has the rules that its log said last. Its owner compares them with its own files, and if they differ,
appends its own; so they are in force also after a change while no worker ran, and whoever takes a partition over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pipeline.alerting.receivers import AlertsPartition
from pipeline.base import metrics
from pipeline.base.errors import ConfigError, LogFull
from pipeline.base.file_watch import FileWatch, Stamps, stamps_of
from pipeline.config import Config
from pipeline.log.generation import encode_generation
from pipeline.stream.partitions.manager import PartitionManager
from pipeline.stream.rule_book import RuleBook
from pipeline.stream.rule_files import Reloaded, RuleFiles
from rules import RuleFileError

log = logging.getLogger(__name__)

IN_FORCE_WITHIN_S = 10.0
_LOOK_S = 0.02


class Reloading:
    """`append` appends to a partition of [readings]; None until the stream runs.

    `again` loads the configuration from `file`, if it has one, which is watched. `alerts` has the receivers, routes,
    inhibitions and silences.
    """

    def __init__(
        self,
        files: RuleFiles,
        again: Callable[[], Config],
        partitions: PartitionManager,
        book: RuleBook,
        alerts: AlertsPartition,
        file: Path | None = None,
    ) -> None:
        self._file = () if file is None else (file,)
        self._watch = FileWatch(stamps_of(self._file))
        self._refused: Config | None = None  # for its rule files, which are not those in force: they are watched, too
        self._alerts = alerts
        self.append: Callable[[bytes, int], Awaitable[Any]] | None = None
        self._files = files
        self._again = again
        self._partitions = partitions
        self._book = book
        self._started_with = files.config

    async def look(self) -> None:
        """Read changed files, and put what they say into force; called about each second."""
        if self._watch.look(self._stamps()):
            await self._by_itself()
        if await asyncio.to_thread(self._files.poll):
            self._say()
        await self._put_in_force()

    async def _by_itself(self) -> None:
        """Read the configuration because its file was changed."""
        try:
            config, _ = await self._load()
        except (ConfigError, RuleFileError) as error:
            log.error("the configuration stays as it was, because its files are wrong:\n%s", error)  # noqa: TRY400  # of a person
            return
        log.info("the changed configuration was read")
        needed = _changed(self._started_with, config)
        if needed:
            log.warning("a restart is needed for changes of %s", ", ".join(needed))

    async def reload(self) -> Reloaded:
        """Read the files now, and wait until they are in force.

        Raises ConfigError, RuleFileError; then nothing has changed.
        """
        config, is_new = await self._load()
        await self._put_in_force()
        wanted = self._files.generation.id
        until_s = time.monotonic() + IN_FORCE_WITHIN_S
        while not self._is_in_force(wanted) and time.monotonic() < until_s:  # noqa: ASYNC110  # an event would be
            await asyncio.sleep(_LOOK_S)  # needed in each stage
        return Reloaded(
            wanted, len(self._files.rules), is_new, self._is_in_force(wanted), _changed(self._started_with, config)
        )

    async def _load(self) -> tuple[Config, bool]:
        """Use what the files say now, as far as that needs no restart; returns whether the rules are new.

        Raises ConfigError, RuleFileError; then nothing has changed.
        """
        self._refused = None
        self._watch.known = self._stamps()
        try:
            config = await asyncio.to_thread(self._again)
            await asyncio.to_thread(self._alerts.check, config)
            is_new = await asyncio.to_thread(self._read_rules, config)
        except (ConfigError, RuleFileError):
            metrics.config_reloads.labels("refused").inc()
            raise
        await self._alerts.replace(config)
        metrics.config_reloads.labels("loaded").inc()
        if is_new:
            self._say()
        return config, is_new

    def _read_rules(self, config: Config) -> bool:
        """Read the rule files of this configuration; returns whether they are new. Raises RuleFileError."""
        stamps = stamps_of(config.rule_files)  # before they are read, as those of the configuration were
        try:
            return self._files.read_again(config)
        except RuleFileError:
            self._refused = config
            self._watch.known = [*self._watch.known, *stamps]
            raise

    def _stamps(self) -> Stamps:
        return stamps_of((*self._file, *(self._refused.rule_files if self._refused else ())))

    def _say(self) -> None:
        log.info("%d rules were read from changed files", len(self._files.rules))
        self._partitions.rules = self._files.generation
        self._book.rules = self._files.rules

    async def _put_in_force(self) -> None:
        wanted = self._files.generation
        for partition in self._partitions.owned:
            rules = partition.rules
            if self.append is None or wanted.id in (rules.generation, rules.asked):
                continue
            rules.asked = wanted.id  # before it may be taken
            try:
                await self.append(encode_generation(wanted, time.time_ns()), partition.number)
            except LogFull as error:
                rules.asked = None
                log.warning("the new rules wait until the log has room: %s", error)
                return

    def _is_in_force(self, generation: str) -> bool:
        return all(partition.rules.generation == generation for partition in self._partitions.owned)


RELOADED = ("rules", "receivers", "routes", "inhibitions", "silences")
"""The settings that a reload puts into force."""


def _changed(before: Config, now: Config) -> tuple[str, ...]:
    """The settings that differ and need a restart."""
    names = (name for name in Config.model_fields if name not in RELOADED)
    return tuple(name for name in names if getattr(before, name) != getattr(now, name))

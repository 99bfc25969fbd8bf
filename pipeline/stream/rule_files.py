"""The rule files on this machine: read at the start, and again when they change.

All or nothing: files with a problem change nothing, and the rules read before them stay.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.base import metrics
from pipeline.base.file_watch import FileWatch, stamps_of
from pipeline.config import Config
from pipeline.log.generation import Generation
from rules import RuleFileError, RuleSet, rules_of
from rules.definition.selection import ACCOUNT
from rules.errors import Problem
from rules.files.loading import read_files
from rules.kinds.missing import Missing
from store.names import DEFAULT_ACCOUNT

log = logging.getLogger(__name__)


def read_rules(paths: Iterable[Path | str], partitions: int = 1) -> tuple[Generation, RuleSet]:
    """The rules in these files, for a log with so many partitions, as texts and as what they mean.

    Raises RuleFileError.
    """
    files = list(read_files(paths))
    rules = rules_of(files)
    if partitions > 1:
        blind = [rule for rule in rules.rules if isinstance(rule.condition, Missing) and rule.condition.expect]
        if blind:
            told = f"`expect` needs a log with one partition, this one has {partitions}: no worker sees all devices"
            raise RuleFileError([Problem(rule.file, None, f"rule {rule.name}: {told}") for rule in blind])
    return Generation(tuple((file, text) for file, text in files if not isinstance(text, Problem))), rules


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The outcome of a reload.

    generation     the id of the rules of now
    is_new         whether the files say something else than before
    is_in_force    whether all partitions of this worker have these rules
    needs_restart  the settings whose change needs a restart
    """

    generation: str
    rules: int
    is_new: bool
    is_in_force: bool
    needs_restart: tuple[str, ...]


class RuleFiles:
    """The files of a configuration. `generation` and `rules` are those of the last reading without a problem."""

    def __init__(self, config: Config, partitions: int = 1) -> None:
        """Read them, for a log with so many partitions. Raises RuleFileError."""
        self._partitions = partitions
        self.config = config
        self._watch = FileWatch(stamps_of(config.rule_files))
        self.generation, self.rules = read_rules(config.rule_files, partitions)

    def read_again(self, config: Config | None = None) -> bool:
        """Read all files, from now on those of `config`; returns whether they say something else.

        Raises RuleFileError, and then nothing has changed.
        """
        wanted = self.config if config is None else config
        # before they are read: what changes meanwhile is seen by the next poll
        own, stamps = stamps_of(self.config.rule_files), stamps_of(wanted.rule_files)
        try:
            generation, rules = read_rules(wanted.rule_files, self._partitions)
        except RuleFileError:
            self._watch.known = own
            metrics.rule_reloads.labels("refused").inc()
            raise
        self.config, self._watch.known = wanted, stamps
        is_new = generation.id != self.generation.id
        self.generation, self.rules = generation, rules
        metrics.rule_reloads.labels("changed" if is_new else "unchanged").inc()
        return is_new

    def shown_to(self, account: str) -> list[tuple[str, str]]:
        """The names and texts of the files without rules that are for other accounts alone; to `default` all."""
        files, rules = self.generation.files, self.rules.rules
        others = {rule.file for rule in rules if account not in rule.where.get(ACCOUNT, (account,))}
        return [(file, text) for file, text in files if account == DEFAULT_ACCOUNT or file not in others]

    def poll(self) -> bool:
        """Read them if one was changed, added or removed; returns whether they say something else.

        Problems are logged once.
        """
        if not self._watch.look(stamps_of(self.config.rule_files)):
            return False
        try:
            return self.read_again()
        except RuleFileError as error:
            log.error("the rules stay as they were, because their files are wrong:\n%s", error)  # noqa: TRY400  # of a person
            return False

"""A batch load task: what was asked, how far it is, and what failed. It is a part of its account in the catalog."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from store.catalog.catalog import Catalog, Said

TASKS = "BatchLoadTasks"  # among the settings of an account
RANGES_MAX = 200  # of lines, that a task keeps for its report
_TIMES = re.compile(r" \[[^\]]*?\)")  # in a reason: they are others each time

CREATED, IN_PROGRESS, PENDING_RESUME = "CREATED", "IN_PROGRESS", "PENDING_RESUME"
FAILED, SUCCEEDED, PROGRESS_STOPPED = "FAILED", "SUCCEEDED", "PROGRESS_STOPPED"
_TO_DO = (CREATED, IN_PROGRESS, PENDING_RESUME)


class Progress(msgspec.Struct, rename="pascal"):
    """The numbers of the service's ProgressReport."""

    records_processed: int = 0
    records_ingested: int = 0
    parse_failures: int = 0
    record_ingestion_failures: int = 0
    file_failures: int = 0
    bytes_metered: int = 0


class BatchTask(msgspec.Struct, omit_defaults=True):
    """One task.

    request   as it was given; `model` is its data model
    files     that are to be loaded, with their sizes; None: they are not listed yet
    file      the number of the first file that is not done, of which `rows` rows are
    errors    by file: the ranges of lines by reason; `unlisted` more are not kept
    owner     the worker that loads it, which last said so at `seen_ns`
    """

    id: str
    request: dict[str, Any]
    model: dict[str, Any]
    created_ns: int
    updated_ns: int
    status: str = CREATED
    files: list[tuple[str, int]] | None = None
    file: int = 0
    rows: int = 0
    progress: Progress = msgspec.field(default_factory=Progress)
    errors: dict[str, dict[str, list[tuple[int, int]]]] = {}
    task_errors: list[str] = []
    unlisted: int = 0
    message: str = ""
    owner: str = ""
    seen_ns: int = 0

    @property
    def is_to_do(self) -> bool:
        """Whether somebody has to load it."""
        return self.status in _TO_DO

    @property
    def has_failed(self) -> bool:
        """Whether anything of it could not be loaded."""
        return bool(self.errors or self.task_errors)

    def fail_rows(self, file: str, reason: str, first_line: int, last_line: int) -> None:
        """Note that these lines of a file were not loaded."""
        ranges = self.errors.setdefault(file, {}).setdefault(_TIMES.sub("", reason), [])
        if ranges and ranges[-1][1] >= first_line - 1:
            ranges[-1] = (ranges[-1][0], max(last_line, ranges[-1][1]))
        elif sum(len(of) for reasons in self.errors.values() for of in reasons.values()) < RANGES_MAX:
            ranges.append((first_line, last_line))
        else:
            self.unlisted += 1

    def report(self) -> dict[str, Any]:
        """The report of errors in the service's form."""
        more = [f"{self.unlisted} more ranges of lines are not listed."] if self.unlisted else []
        return {
            "taskId": self.id,
            "taskErrors": [*self.task_errors, *more],
            "fileErrors": [
                {
                    "fileName": file,
                    "errors": [{"reason": reason, "lineRanges": ranges} for reason, ranges in reasons.items()],
                }
                for file, reasons in self.errors.items()
            ],
        }


_decoder = msgspec.json.Decoder(BatchTask)


def _task(kept: Any) -> BatchTask:
    return _decoder.decode(msgspec.json.encode(kept))


def tasks_of(catalog: Catalog, account: str) -> dict[str, BatchTask]:
    """The account's tasks by id, oldest first."""
    known: dict[str, Any] = catalog.account_settings(account).get(TASKS, {})
    return {name: _task(task) for name, task in known.items()}


def change_tasks(catalog: Catalog, account: str, change: Callable[[dict[str, BatchTask]], BatchTask]) -> BatchTask:
    """Change the account's tasks, durably; returns what `change` returns. Raises everything that it raises."""
    found: list[BatchTask] = []

    def changed(said: Said) -> Said:
        tasks = {name: _task(task) for name, task in said.get(TASKS, {}).items()}
        found[:] = [change(tasks)]
        return {**said, TASKS: {name: msgspec.to_builtins(task) for name, task in tasks.items()}}

    catalog.update_account(account, changed)
    return found[0]

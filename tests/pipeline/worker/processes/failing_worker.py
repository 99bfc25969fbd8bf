"""A worker whose stage raises at its n-th batch; 0: never.

Everything else is as in the product, but that work batches are small, so that there is a second one.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.config.load import load
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.stages import readings_to_records
from pipeline.worker.worker import Worker, run
from rules import Engine
from store.partition_store import PartitionStore


def failing(function: Callable[..., Any], at: int) -> Callable[..., Any]:
    calls = 0

    def called(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            raise RuntimeError("a test made this stage fail")
        return function(*args, **options)

    return called


PARTS: dict[str, Callable[[Worker], tuple[Any, str]]] = {
    "readings_to_records": lambda _: (Normaliser, "normalise_many"),
    "records_to_store": lambda _: (PartitionStore, "apply"),
    "records_to_alerts": lambda _: (Engine, "evaluate"),
    "alerts_to_webhooks": lambda worker: (worker.alerts, "accept"),
    "dead_letters_to_archive": lambda worker: (worker.dead_letters, "accept"),
    "maintenance": lambda _: (PartitionStore, "maintain"),
    "trim": lambda worker: (worker.admin, "trim"),
}


def break_part(stage: str, at: int) -> None:
    original = Worker.__init__

    def made(self: Worker, *args: Any) -> None:
        original(self, *args)
        owner, name = PARTS[stage](self)
        setattr(owner, name, failing(getattr(owner, name), at))

    Worker.__init__ = made  # type: ignore[method-assign]


def work(config_file: Path, data_dir: Path, part: str, number: int) -> None:
    """The worker of `data_dir`, until it fails or is ended."""
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("pipeline.worker.worker").setLevel(logging.INFO)  # says when it is ready
    readings_to_records.MAX_FRAMES = 32
    if number:
        break_part(part, number)

    def loaded() -> Config:
        return load(config_file, os.environ, {"--data-dir": str(data_dir), "--http": "127.0.0.1:0"}).config

    run(loaded(), loaded)

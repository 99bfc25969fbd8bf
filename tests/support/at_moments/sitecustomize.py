"""Makes every Python process below a fault test hasty, and mortal at named moments. Read by Python's `site` at start.

On the path only where `fault_kit.hasty` put it. Nothing of the product is imported here: a module's patch is applied
when the product imports that module. A process that comes to the moment named in the file `die-at` removes the file
and kills itself with SIGKILL, so that the kill is exactly there and exactly once.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

ORDER = Path(os.environ["FAULT_FOLDER"]) / "die-at"
SECOND_NS = 1_000_000_000


def die_if(moment: str) -> None:
    try:
        if ORDER.read_text() != moment:
            return
        ORDER.unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def mortal(owner: Any, name: str, before: str | None = None, after: str | None = None) -> None:
    """Calls of `owner.name` come to the moment `before` when they begin, and to `after` when they end."""
    original: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(original)
    def call(*arguments: Any, **options: Any) -> Any:
        if before is not None:
            die_if(before)
        result = original(*arguments, **options)
        if after is not None:
            die_if(after)
        return result

    setattr(owner, name, call)


def of_upkeep(module: ModuleType) -> None:
    module.FLUSH_AFTER_NS = int(float(os.environ.get("FAULT_FLUSH_AFTER_S", "0.5")) * SECOND_NS)  # type: ignore[attr-defined]
    module.MOST_FLUSHED_ALONE = int(os.environ.get("FAULT_MOST_FLUSHED_ALONE", "150"))  # type: ignore[attr-defined]
    module.POSITIONS_EVERY_NS = SECOND_NS // 2  # type: ignore[attr-defined]
    module.CLEAN_EVERY_NS = SECOND_NS  # type: ignore[attr-defined]
    module.VACUUM_EVERY_NS = 2 * SECOND_NS  # type: ignore[attr-defined]
    mortal(module.checkpoint, "save", before="checkpoint to be saved", after="checkpoint saved")


def of_compaction_plan(module: ModuleType) -> None:
    module.FANOUT = 3  # type: ignore[attr-defined]


def of_compaction(module: ModuleType) -> None:
    mortal(module, "_write", before="merge begun", after="merged file written")
    mortal(module, "rewrite", after="merged")


def of_flush(module: ModuleType) -> None:
    mortal(module, "write_file", before="series saved", after="file written")


def of_magnetic_tier(module: ModuleType) -> None:
    mortal(module.MagneticTier, "commit", before="before commit", after="after commit")


def of_objects(module: ModuleType) -> None:
    mortal(module.LocalObjects, "_write_aside", after="object written aside")


def of_partition_home(module: ModuleType) -> None:
    mortal(module.KeptPositions, "save", before="positions to be saved", after="positions saved")


def of_rule_state(module: ModuleType) -> None:
    mortal(module.RuleKeep, "save", before="rules to be saved", after="rules saved")


def of_pipeline_upkeep(module: ModuleType) -> None:
    module.MAINTENANCE_EVERY_S = 0.1  # type: ignore[attr-defined]
    module.RULES_EVERY_S = 0.5  # type: ignore[attr-defined]
    module.TRIM_EVERY_S = float(os.environ.get("FAULT_TRIM_EVERY_S", "0.3"))  # type: ignore[attr-defined]


def of_child(module: ModuleType) -> None:
    # many deaths in a row are the test's, not a fault
    module.BACKOFF = replace(module.BACKOFF, longest_s=0.1)  # type: ignore[attr-defined]


def of_topic_file(module: ModuleType) -> None:
    module.TRIM_STEP_MESSAGES = 4  # type: ignore[attr-defined]
    mortal(module.TopicFile, "trim_step", after="trimming")


PATCHES: dict[str, Callable[[ModuleType], None]] = {
    "store.upkeep": of_upkeep,
    "store.magnetic.compaction_plan": of_compaction_plan,
    "store.table.compaction": of_compaction,
    "store.table.flush": of_flush,
    "store.magnetic.tier": of_magnetic_tier,
    "store.objects.objects": of_objects,
    "store.partition_home": of_partition_home,
    "pipeline.stream.rule_state.keep": of_rule_state,
    "pipeline.worker.upkeep": of_pipeline_upkeep,
    "pipeline.operations.supervisor.child": of_child,
    "pipeline.log.embedded.topic_file": of_topic_file,
}


def load_and_patch(load: Callable[[ModuleType], None], patch: Callable[[ModuleType], None], module: ModuleType) -> None:
    load(module)
    patch(module)


class Patcher(importlib.abc.MetaPathFinder):
    """Finds nothing by itself; lets the others find, and patches what they load."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        patch = PATCHES.get(fullname)
        if patch is None:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader.exec_module = functools.partial(  # type: ignore[method-assign]
                    load_and_patch, spec.loader.exec_module, patch
                )
                return spec
        return None


sys.meta_path.insert(0, Patcher())

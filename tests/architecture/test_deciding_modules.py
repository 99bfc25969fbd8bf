"""Modules that decide use no clock, thread, socket, file, environment or chance: these arrive as values.

So live, replay, unit test and backtest are one function, and each of these can be tested without a double.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from our_code import all_imports, is_at, modules, tree_of

DECIDING = (
    "pipeline/alerting/routing/*.py",
    "pipeline/alerting/receivers/addresses.py",
    "pipeline/alerting/receivers/alertmanager.py",
    "pipeline/alerting/receivers/payload.py",
    "pipeline/alerting/receivers/signing.py",
    "pipeline/alerting/receivers/text.py",
    "pipeline/api/http/times.py",
    "pipeline/api/http/fair_queue.py",
    "pipeline/base/matchers.py",
    "pipeline/base/mustache.py",
    "pipeline/base/recurrence.py",
    "pipeline/config/templates.py",
    "pipeline/gateway/brokers/copies.py",
    "pipeline/gateway/listener/offenders.py",
    "pipeline/gateway/listener/receipts.py",
    "pipeline/gateway/listener/wheel.py",
    "pipeline/gateway/listening.py",
    "pipeline/gateway/mqtt/*.py",
    "pipeline/log/dead_letter.py",
    "pipeline/log/forgetting.py",
    "pipeline/log/frame.py",
    "pipeline/log/generation.py",
    "pipeline/log/tick.py",
    "pipeline/stream/normalise/*.py",
    "pipeline/stream/partitioning.py",
    "pipeline/stream/words.py",
    "rules/*.py",
    "store/catalog/adopt.py",
    "store/catalog/changes.py",
    "store/catalog/document.py",
    "store/catalog/fit.py",
    "store/catalog/names.py",
    "store/catalog/schema.py",
    "store/catalog/units.py",
    "store/catalog/zones.py",
    "store/endpoint/arns.py",
    "store/endpoint/batch_model.py",
    "store/endpoint/measures.py",
    "store/endpoint/names.py",
    "store/endpoint/partition_keys.py",
    "store/endpoint/payload.py",
    "store/endpoint/records.py",
    "store/endpoint/scheduled/cron.py",
    "store/endpoint/scheduled/messages.py",
    "store/endpoint/scheduled/schedule.py",
    "store/endpoint/scheduled/target.py",
    "store/endpoint/shapes.py",
    "store/magnetic/compaction_plan.py",
    "store/magnetic/encoding.py",
    "store/memory/newness.py",
    "store/reading/bins.py",
    "store/record.py",
    "store/sequence.py",
    "store/sql/*.py",
    "store/table/judge.py",
    "store/table/superseded.py",
)
# Where deciding meets the rest: these hand what was read to what decides, or what is decided to what does it.
DOING = (
    "rules/files/loading.py",  # reads rule files
    "rules/unit_tests/loading.py",  # reads their unit tests
    "store/sql/query.py",  # runs what was bound
)
LIBRARIES = (
    *("time", "random", "secrets", "uuid"),
    *("threading", "asyncio", "concurrent", "multiprocessing", "subprocess", "signal"),
    *("socket", "ssl", "select", "selectors", "http", "urllib.request"),
    *("os", "io", "pathlib", "shutil", "tempfile", "sqlite3", "logging", "sys"),
    *("pyarrow.fs", "pyarrow.parquet", "pyarrow.dataset", "numpy.random"),
)
CALLS = {"open", "input", "print", "breakpoint", "exec", "eval"}
ATTRIBUTES = {
    *("fromfile", "tofile", "memmap", "memory_map", "OSFile", "read_text", "read_bytes", "write_text", "write_bytes"),
    *("environ", "getenv", "random", "default_rng"),
}
CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
DECIDERS = [path for path in modules() if is_at(path, DECIDING) and not is_at(path, DOING)]


def test_each_entry_stands_for_modules_that_there_are() -> None:
    assert [entry for entry in (*DECIDING, *DOING) if not any(is_at(path, (entry,)) for path in modules())] == []


def test_deciding_modules_import_nothing_that_does() -> None:
    wrong = [found for found in all_imports() if found.path in DECIDERS and any(map(found.is_of, LIBRARIES))]

    assert not wrong, "\n".join(map(str, wrong))


def test_deciding_modules_call_nothing_that_does() -> None:
    wrong = [f"{path}:{line} calls {name}" for path in DECIDERS for line, name in calls_of(path)]

    assert not wrong, "\n".join(wrong)


def calls_of(path: str) -> Iterator[tuple[int, str]]:
    """What a library that may be imported has of clocks, files and the like."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            yield node.lineno, node.func.id
        elif isinstance(node, ast.Attribute) and (node.attr in ATTRIBUTES or ast.unparse(node) in CLOCKS):
            yield node.lineno, node.attr

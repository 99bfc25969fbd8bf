"""Every name on disk that is not inside the log's or the store's own folder, and the format version of a data_dir.

data_dir/
├── format.json         what wrote this folder, and in which format
├── log/                the durable log (pipeline.log)
├── magnetic/           the magnetic tier, unless `magnetic.url` says otherwise (store)
└── run/                true only while something runs
    ├── up.lock         held by `up`
    ├── worker.lock     held by the worker
    ├── up.json         pid and addresses of a running `up`
    └── metrics/        what the processes count together
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from pipeline.errors import DataDirError

FORMAT = "format.json"
LOG = "log"
MAGNETIC = "magnetic"
RUN = "run"
UP_LOCK = "run/up.lock"
WORKER_LOCK = "run/worker.lock"
UP_STATE = "run/up.json"
METRICS = "run/metrics"

FORMAT_VERSION = 1


def prepare_data_dir(data_dir: Path) -> None:
    """Make `data_dir` if it is not there, and see that its format is ours. Raises DataDirError."""
    try:
        (data_dir / METRICS).mkdir(parents=True, exist_ok=True)
        version = _format_version(data_dir)
        if version is None:
            write_atomically(
                data_dir / FORMAT, json.dumps({"product": "streamgauge", "format_version": FORMAT_VERSION})
            )
    except OSError as error:
        raise DataDirError(f"data_dir {data_dir} cannot be used: {error.strerror}: {error.filename}") from error
    if version is not None and version > FORMAT_VERSION:
        raise DataDirError(
            f"{data_dir / FORMAT}: the folder has format version {version} and was written by a newer streamgauge; "
            f"this one reads up to {FORMAT_VERSION}. Run that version, or name another data_dir"
        )


def write_atomically(path: Path, text: str) -> None:
    """Put `text` at `path` so that a reader sees the old file or the new one, never half of it."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def _format_version(data_dir: Path) -> int | None:
    path = data_dir / FORMAT
    if not path.exists():
        return None
    try:
        version = json.loads(path.read_text(encoding="utf-8"))["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataDirError(f"{path} does not say a format version; is {data_dir} a data_dir of streamgauge?") from error
    if not isinstance(version, int):
        raise DataDirError(f"{path}: format_version is {version!r}; it is a whole number")
    return version

"""Sets the folder for the metrics of all processes on one data_dir, before prometheus_client is imported.

prometheus_client decides at import, by `PROMETHEUS_MULTIPROC_DIR`, whether it counts in the process or in files.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from pipeline.base.layout import Layout

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# prometheus_client's names of the files of gauges that count only while their process lives. Its mark_process_dead does
# the same, but only for one known process that ended.
_LIVE_GAUGE = re.compile(r"gauge_live[a-z]*_(?:[a-z0-9-]+\.)?(\d+)\.db")
_ANY = re.compile(r"[a-z_]+_(?:[a-z0-9-]+\.)?(\d+)\.db")


def share_metrics(layout: Layout, gateway: str | None = None) -> None:
    """Count in the data_dir from now on.

    Removes the live gauges of ended processes, and empty files of theirs, which prometheus_client cannot read. The
    files of a `gateway` that is one of several contain its name: gauge_livesum_gateway-1.4711.db
    (`pipeline.base.metrics_files`).
    """
    assert "prometheus_client" not in sys.modules, "too late: prometheus_client has chosen"
    for file in layout.metrics.iterdir():
        match = _LIVE_GAUGE.fullmatch(file.name) or (_ANY.fullmatch(file.name) if _is_empty(file) else None)
        if match is not None and not _is_alive(int(match.group(1))):
            file.unlink(missing_ok=True)
    os.environ[VARIABLE] = str(layout.metrics)
    if gateway is not None:
        from prometheus_client import values  # noqa: PLC0415  # after the folder is set

        values.ValueClass = values.MultiProcessValue(  # type: ignore[no-untyped-call]  # ships no types for it
            lambda: f"{gateway}.{os.getpid()}"
        )


def _is_empty(file: Path) -> bool:
    try:
        return not file.stat().st_size
    except FileNotFoundError:  # another process, started at the same time, has removed it
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()  # an earlier process had our pid

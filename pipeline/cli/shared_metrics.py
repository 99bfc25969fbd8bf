"""The folder in which the processes on one data_dir count together, named before prometheus_client is imported.

prometheus_client decides at import whether it counts in the process or in files: `PROMETHEUS_MULTIPROC_DIR`.
"""

from __future__ import annotations

import os
import re
import sys

from pipeline.layout import Layout

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# As prometheus_client names the files of gauges that count only while their process lives: its mark_process_dead does
# the same, but only for one process that somebody saw end.
_LIVE_GAUGE = re.compile(r"gauge_live[a-z]*_(\d+)\.db")


def share_metrics(layout: Layout) -> None:
    """Count in the data_dir from here on, without what processes that have ended left there as if they lived."""
    assert "prometheus_client" not in sys.modules, "too late: prometheus_client has chosen"
    for file in layout.metrics.iterdir():
        match = _LIVE_GAUGE.fullmatch(file.name)
        if match is not None and not _is_alive(int(match.group(1))):
            file.unlink(missing_ok=True)
    os.environ[VARIABLE] = str(layout.metrics)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()  # a process before us had our pid

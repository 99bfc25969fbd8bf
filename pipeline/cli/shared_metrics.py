"""The folder in which the processes on one data_dir count together, named before prometheus_client is imported.

prometheus_client decides at import whether it counts in the process or in files: `PROMETHEUS_MULTIPROC_DIR`.
"""

from __future__ import annotations

import os
import sys

from pipeline.layout import Layout

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def share_metrics(layout: Layout) -> None:
    """Count in the data_dir from here on."""
    assert "prometheus_client" not in sys.modules, "too late: prometheus_client has chosen"
    layout.metrics.mkdir(parents=True, exist_ok=True)
    os.environ[VARIABLE] = str(layout.metrics)

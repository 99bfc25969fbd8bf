"""What a process has imported when it has started: each library costs every start, and memory for as long as it lives.

A library that only some of its work needs is imported when that work comes, so a row of `PROCESSES` grows only for a
library without which the process cannot begin.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

HEAVY = frozenset(
    (
        *("aiohttp", "aiokafka", "apprise", "boto3", "botocore", "click", "cryptography", "deltalake", "duckdb"),
        *("fastapi", "faust", "httpx", "jinja2", "matplotlib", "msgspec", "numpy", "obstore", "paho"),
        *("prometheus_client", "psutil", "pyarrow", "pydantic", "pygments", "re2", "rich", "scipy", "sqlglot"),
        *("starlette", "structlog", "uvicorn", "uvloop", "xxhash", "yaml"),
    )
)
CONFIG = "tables: [{name: farm.climate, topics: 'farm/{sensor}', measures: {temperature: {unit: celsius}}}]\n"
CLIENT = "click httpx"
LOADED = "click pydantic structlog xxhash yaml"  # by whoever reads a configuration and logs
STREAM = "aiokafka faust msgspec numpy psutil"
STORE = "deltalake duckdb pyarrow sqlglot"
READ = "from pathlib import Path; from pipeline.operations.cli import options; "
READ += "options.load_from(Path('streamgauge.yaml'), {}); options.begin_logging('a process')"
# What a process does until it begins its work, and all that it may have of HEAVY then
PROCESSES = {
    "--help": ("from pipeline.operations.cli import main", "click"),
    "query": ("import pipeline.operations.cli.query", CLIENT),
    "alerts": ("import pipeline.operations.cli.alerts", f"{CLIENT} xxhash"),
    "up": (f"import pipeline.operations.cli.up; {READ}", LOADED),
    "gateway": (
        f"import pipeline.operations.cli.gateway, pipeline.gateway.run; {READ}",
        f"{LOADED} msgspec paho prometheus_client uvloop",
    ),
    "console": (
        f"import pipeline.operations.cli.console, pipeline.console.serve; {READ}",
        f"{LOADED} httpx jinja2 starlette uvicorn",
    ),
    "worker": (
        f"import pipeline.operations.cli.worker, pipeline.worker.worker; {READ}",
        f"{LOADED} {STREAM} {STORE} fastapi httpx prometheus_client starlette uvicorn",
    ),
}


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_starts_with_what_it_needs_and_nothing_else(process: str, tmp_path: Path) -> None:
    begins, allowed = PROCESSES[process]
    (tmp_path / "streamgauge.yaml").write_text(CONFIG)

    ran = subprocess.run(
        [sys.executable, "-c", f"{begins}; import sys; print(*sys.modules)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert sorted(HEAVY.intersection(ran.stdout.split()) - set(allowed.split())) == []

"""What a process must not import: it would cost each start, and memory for as long as the process lives."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

CONFIG = "tables: [{name: farm.climate, topics: 'farm/{sensor}', measures: {temperature: {unit: celsius}}}]\n"


def test_neither_the_configuration_nor_a_gateway_brings_the_stores_and_the_streams_libraries(tmp_path: Path) -> None:
    """`up`, which reads the configuration, and the gateway live as long as the worker, and need none of them."""
    (tmp_path / "streamgauge.yaml").write_text(CONFIG)
    heavy = ("duckdb", "deltalake", "sqlglot", "faust", "fastapi", "uvicorn", "httpx", "numpy", "pyarrow")
    script = (
        "import sys; from pathlib import Path; from pipeline.config.load import load; import pipeline.gateway.run; "
        "import pipeline.operations.cli.up; "
        f"load(Path('streamgauge.yaml'), {{}}, {{}}); print([name for name in {heavy!r} if name in sys.modules])"
    )

    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert ran.stdout == "[]\n"

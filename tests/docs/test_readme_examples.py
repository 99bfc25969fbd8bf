"""The README's examples, run as they stand against the product with the README's configuration."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import blocks, shell_commands

from tests.support.commands import COMMAND
from tests.support.product import Product
from tests.support.waiting import wait_for

pytestmark = pytest.mark.processes

FLEET = "sensors: 8\ninterval: 1s\nlayout: {regions: [eu-west], greenhouses: 1, zones: [north, south]}\n"
SECRETS = {
    "FARM_7": "password of farm 7",
    "DASHBOARD": "token-of-farm-7",
    "HOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}


def shown(language: str, beginning: str) -> str:
    """The README's block that begins so."""
    found = [b.text for b in blocks(language) if b.page == "README.md" and b.text.lstrip().startswith(beginning)]
    assert len(found) == 1, beginning
    return found[0]


class Site(Product):
    """The product in a folder with the README's files, and what users run beside it."""

    def run(self, *command: str, **environ: str) -> str:
        """The output of a command in this folder."""
        found = {**os.environ, "STREAMGAUGE_ENDPOINT": f"http://{self.http}", **environ}
        done = subprocess.run(command, cwd=self.folder, env=found, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run_python(self, text: str) -> str:
        """The output of a Python block, asking this server."""
        return self.run(sys.executable, "-c", text.replace("127.0.0.1:8080", self.http))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "climate.yaml").write_text(shown("yaml", "# rules/climate.yaml"))
    (tmp_path / "fleet.yaml").write_text(FLEET)
    config = shown("yaml", "# streamgauge.yaml\ndata_dir")
    with Site(tmp_path, config.replace(":1883", ":0").replace(":8080", ":0")) as started:
        yield started


def test_the_readmes_examples_work(site: Site) -> None:
    publish = ("--username", "farm-7", "--start=-2m", "--duration", "2m", "--speed", "max")
    site.run(
        *COMMAND,
        "simulate",
        "fleet.yaml",
        "--mqtt",
        site.mqtt,
        *publish,
        STREAMGAUGE_SIMULATE_PASSWORD=SECRETS["FARM_7"],
    )
    with site.client(SECRETS["DASHBOARD"]) as client:
        wait_for(lambda: len(client.get("v1", "zones")["zones"]) == 2, "both zones are known")

    outputs = {}
    for block in [b for b in blocks("sh") if b.page == "README.md"]:
        for words in shell_commands(block):
            if words[0] in {"averages", "query"} and "default" not in " ".join(words):
                outputs[words[0]] = site.run(*COMMAND, *words, STREAMGAUGE_TOKEN=SECRETS["DASHBOARD"])

    assert outputs["averages"].splitlines()[1].startswith("gh-01/north\ttemperature\tcelsius\t")
    assert {line.split("\t")[0] for line in outputs["query"].splitlines()[1:]} == {"gh-01/north", "gh-01/south"}
    assert "'13.5'" in site.run_python(shown("python", "import os"))

    site.stop()  # commits what is in memory

    assert "│ gh-01/north │   480 │" in site.run_python(shown("python", "import duckdb"))

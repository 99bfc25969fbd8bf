"""docs/operations.md lists the alerts and the doctor's checks that there are, and installs files that there are."""

from __future__ import annotations

import re

import yaml
from pages import ROOT, blocks, first_column, text_of

from pipeline.operations.doctor.checks import CHECKS

TEXT = text_of("operations.md")


def test_the_alerts_are_those_of_the_file() -> None:
    file = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    rules = {rule["alert"]: rule["labels"]["severity"] for rule in file["groups"][0]["rules"]}
    severities = re.findall(r"^\| `(Streamgauge\w+)` \| (\w+):", TEXT, re.MULTILINE)

    assert dict(severities) == rules


def test_the_checks_are_those_of_the_doctor() -> None:
    assert first_column(TEXT, "## The doctor") == [name for name, _ in CHECKS]


def test_the_files_that_commands_install_are_there() -> None:
    shown = "\n".join(block.text for block in blocks("sh") if block.page == "docs/operations.md")
    named = {word for word in re.findall(r"\bdeploy/[\w./@*-]+", shown) if not word.endswith("/.env")}

    assert len(named) >= 5
    assert [name for name in sorted(named) if not list(ROOT.glob(name))] == []

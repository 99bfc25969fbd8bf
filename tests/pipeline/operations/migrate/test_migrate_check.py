"""What a Timestream user has runs here, is translated into what passes our checks, or is told with its line and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.load import load
from pipeline.operations.cli.group import run
from rules import load_rules
from store.endpoint.shapes import check

FILES = Path(__file__).parent / "files"
CLIMATE, WATER = "farm.climate", "farm.water"


def checked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[tuple[Any, ...]]]:
    """The exit code, and each finding as (verdict, file, line, what, why)."""
    code = run(["migrate", "check", "--format", "json", *words])
    findings = json.loads(capsys.readouterr().out)["findings"]
    return code, [(of["verdict"], Path(of["file"]).name, of["line"], of["what"], of["why"] or "") for of in findings]


def heads(findings: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [finding[:3] for finding in findings]


def why(findings: list[tuple[Any, ...]], line: int, verdict: str = "not") -> str:
    return " ".join(finding[4] for finding in findings if finding[2] == line and finding[0] == verdict)


def test_queries_of_a_dashboard_are_judged_with_its_macros_and_variables(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = checked(capsys, str(FILES / "dashboard.json"))

    assert code == 1
    assert heads(found) == [
        ("runs", "dashboard.json", 5),
        ("runs", "dashboard.json", 12),
        ("not", "dashboard.json", 15),
        ("not", "dashboard.json", 16),
    ]
    assert "Function 'nosuch' does not exist" in why(found, 15)
    assert "the panel names no database" in why(found, 16)


def test_statements_of_a_file_are_judged_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = checked(capsys, str(FILES / "queries.sql"))

    assert code == 1
    assert [finding[2] for finding in found if finding[0] == "runs"] == [2, 4]
    assert why(found, 7) == "line 3:7: Function 'wrong' does not exist"


def test_what_is_written_passes_our_own_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(FILES / name) for name in ("template.yaml", "topic-rule.json", "detector.json", "scheduled.json")]

    checked(capsys, *files, "--table", CLIMATE, "--write", str(tmp_path / "here"))

    config = load(tmp_path / "here" / "streamgauge.yaml", {}, {}).config
    climate, water = config.tables
    assert (climate.name, climate.topics, climate.dimensions) == (
        CLIMATE,
        "greenhouse/{region}/+/climate",
        ("device_id",),
    )
    assert (climate.time and climate.time.field, climate.measures["humidity"].name) == ("ts", "hum")
    assert set(climate.only) == {"temperature", "humidity", "device_id", "ts"}
    assert (water.name, water.topics, water.time) == (WATER, "water/{building}/#", None)
    rules = {rule.name.rpartition("/")[2] for rule in load_rules(sorted((tmp_path / "here" / "rules").iterdir())).rules}
    assert rules == {"TooHot", "overheating_Hot"}
    requests = {file.name: json.loads(file.read_text()) for file in (tmp_path / "here" / "requests").iterdir()}
    for name, request in requests.items():
        check(name.partition("-")[0], request)
    assert set(requests) == {
        "CreateDatabase-farm.json",
        "CreateTable-farm.farm-climate.json",
        "CreateScheduledQuery-hourly.json",
        "CreateScheduledQuery-daily.json",
    }
    assert (
        requests["CreateTable-farm.farm-climate.json"]["RetentionProperties"]["MemoryStoreRetentionPeriodInHours"] == 24
    )
    assert "State" not in requests["CreateScheduledQuery-daily.json"]


def test_what_a_template_has_is_told_at_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = checked(capsys, str(FILES / "template.yaml"))

    assert code == 0
    assert {finding[:3] for finding in found if finding[0] != "look"} == {
        ("skipped", "template.yaml", 1),
        ("translated", "template.yaml", 7),
        ("translated", "template.yaml", 11),
        ("translated", "template.yaml", 20),
        ("translated", "template.yaml", 34),
        ("translated", "template.yaml", 38),
        ("runs", "template.yaml", 39),
        ("skipped", "template.yaml", 45),
    }
    assert "'sensor' is called 'device_id' here" in why(found, 20, "look")
    assert "measure_value::" in why(found, 20, "look")


def test_what_a_rule_of_iot_core_has_and_a_table_has_not_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    _, found = checked(capsys, *(str(FILES / f"{name}.json") for name in ("topic-rule", "filtered-rule", "other-rule")))

    told = why(found, 2, "look")
    assert "'kind' is 'water'" in told
    assert "clientid() AS id: nothing is computed" in told
    assert [finding[0] for finding in found if finding[1] == "filtered-rule.json"] == ["not"]
    assert "WHERE temperature > 30" in why(found, 1)
    assert [finding[0] for finding in found if finding[1] == "other-rule.json"] == ["skipped"]


def test_an_alarm_is_a_rule_of_the_table_that_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alarm = str(FILES / "alarm.json")

    refused, without = checked(capsys, alarm)
    code, found = checked(capsys, alarm, "--table", CLIMATE, "--write", str(tmp_path))

    assert (refused, code) == (1, 0)
    assert "--table DATABASE.TABLE" in why(without, 2)
    assert "beyond 12.5, and not at it" in why(found, 2, "look")
    (rule,) = load_rules([tmp_path / "rules" / "TooDry.yaml"]).rules
    assert rule.labels == {"severity": "3"}
    assert "soil_moisture" in (tmp_path / "rules" / "TooDry.yaml").read_text()


def test_states_of_a_detector_model_are_rules_where_a_comparison_leads_to_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = checked(capsys, str(FILES / "detector.json"), "--table", CLIMATE, "--write", str(tmp_path))

    assert code == 1
    assert [(verdict, line) for verdict, _, line, *_ in found] == [("translated", 5), ("not", 6), ("look", 9)]
    assert "$variable.n >= 3" in why(found, 6)
    text = (tmp_path / "rules" / "overheating_Hot.yaml").read_text()
    assert "range: {max: 70.0}" in text
    assert "clear: {max: 65.0}" in text


def test_other_files_are_skipped_and_torn_ones_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = checked(capsys, str(FILES / "other.json"), str(FILES / "torn.json"))

    assert code == 1
    assert [finding[:2] for finding in found] == [("skipped", "other.json"), ("not", "torn.json")]


def test_a_folder_is_looked_through_and_nothing_is_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, found = checked(capsys, str(FILES), "--table", CLIMATE, "--write", str(tmp_path))
    again = run(["migrate", "check", str(FILES), "--table", CLIMATE, "--write", str(tmp_path)])

    assert {finding[1] for finding in found} == {file.name for file in FILES.iterdir()}
    assert again == 2
    assert "name an empty folder" in capsys.readouterr().err


def test_a_comparison_of_no_statements_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would say that both ends are equal."""
    (tmp_path / "none.sql").write_text("-- nothing\n")
    ends = ["--from", "http://127.0.0.1:9", "--to", "http://127.0.0.1:9"]

    code = run(["migrate", "verify", *ends, str(tmp_path / "none.sql")])

    assert code == 2
    assert "nothing was compared: there is no statement in" in capsys.readouterr().err

"""`streamgauge delete` says how many rows there are, or were."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from pipeline.operations.cli.group import run
from pipeline.operations.client import Client

SQL = "DELETE FROM farm.climate WHERE sensor = 's-17'"


@pytest.mark.parametrize(
    ("options", "answer", "told"),
    [
        ([], {"state": "counted", "rows": 17}, "17 rows of farm.climate\n"),
        ([], {"state": "counted", "rows": 1}, "1 row of farm.climate\n"),
        (["--yes"], {"state": "deleted", "rows": 1}, "1 row of farm.climate deleted\n"),
        (["--yes"], {"state": "deleted", "rows": None}, "rows of farm.climate deleted\n"),
        (
            ["--yes", "--purge"],
            {"state": "deleted", "rows": 2},
            "2 rows of farm.climate deleted, from files of earlier versions, too\n",
        ),
    ],
)
def test_how_many_rows(
    options: list[str],
    answer: dict[str, Any],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def post(_: Client, *path: str, body: dict[str, Any]) -> httpx.Response:
        assert path == ("v1", "deletes")
        assert body == {"sql": SQL, "confirm": "--yes" in options, "purge": "--purge" in options}
        return httpx.Response(200, json={"table": "farm.climate", **answer})

    monkeypatch.setattr(Client, "post", post)

    assert run(["delete", SQL, *options]) == 0

    assert capsys.readouterr().out == told

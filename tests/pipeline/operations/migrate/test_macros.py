"""Macros and variables become what Grafana's plugin makes of them."""

from __future__ import annotations

import pytest

from pipeline.operations.migrate.macros import FROM_MS, TO_MS, Place, Unknown, Variable, filled

PLACE = Place('"farm"', '"climate"', "temperature")
VARIABLES = {
    "region": Variable(["eu-west", "o'neill"], is_list=True),
    "host": Variable(["h1"], is_list=False),
    "step": Variable(["5m"], is_list=False),
}


@pytest.mark.parametrize(
    ("sql", "becomes"),
    [
        ("FROM $__database.$__table", 'FROM "farm"."climate"'),
        ("avg($__measure)", "avg(temperature)"),
        ("$__timeFilter", f"time BETWEEN from_milliseconds({FROM_MS}) AND from_milliseconds({TO_MS})"),
        ("$__timeFrom < $__timeTo", f"{FROM_MS} < {TO_MS}"),
        ("bin(time, $__interval_ms)", "bin(time, 60000ms)"),
        ("bin(time, $__interval_raw_ms * 1ms)", "bin(time, 60000 * 1ms)"),
        ("region IN ($region)", "region IN ('eu-west','o''neill')"),
        ("region IN (${region})", "region IN ('eu-west','o''neill')"),
        ("region IN (${region:singlequote})", "region IN ('eu-west','o''neill')"),
        ("${region:csv}", "eu-west,o'neill"),
        ("regexp_like(x, '${region:pipe}')", "regexp_like(x, ''eu-west'|'o''neill'')"),
        ("host = '$host'", "host = 'h1'"),
        ("host = '[[host]]'", "host = 'h1'"),
        ("bin(time, $step)", "bin(time, 5m)"),
        ("no macro: $1", "no macro: $1"),
    ],
)
def test_a_text_is_filled(sql: str, becomes: str) -> None:
    assert filled(sql, PLACE, VARIABLES) == becomes


@pytest.mark.parametrize(
    ("sql", "told"),
    [("$nowhere", "variable \\$nowhere"), ("$__unheard", "__unheard is no macro"), ("$__table", "names no table")],
)
def test_what_nothing_defines_is_told(sql: str, told: str) -> None:
    with pytest.raises(Unknown, match=told):
        filled(sql, Place(), VARIABLES)


def test_a_variable_may_name_the_database() -> None:
    assert filled("$__database.t", Place("${host}"), VARIABLES) == "h1.t"

"""`streamgauge detectors status`: what rules of the kind `detector` have learnt."""

from __future__ import annotations

import click

from pipeline.operations.cli.asking import client, given, list_options
from pipeline.operations.cli.output import Listing, note, show

_ZONE = ("rule", "table", "zone", "learning", "provisional", "live", "suppressed", "bound", "false", "right")
_SERIES = ("rule", "table", "zone", "dimensions", "stage", "learning", "suppressed")


@click.group()
def detectors() -> None:
    """Detectors: what they have learnt."""


@detectors.command(short_help="Series that are learnt, judged or unusual now; bounds.")
@click.option("--table", metavar="DATABASE.TABLE", help="Only this table.")
@click.option("--rule", metavar="GROUP/ALERT", help="Only this rule.")
@click.option("--zone", metavar="ZONE", help="Only this zone.")
@click.option(
    "--series", type=click.IntRange(1, 10_000), metavar="COUNT", help="Series instead of zones: the first ones."
)
@list_options
def status(
    context: click.Context, table: str | None, rule: str | None, zone: str | None, series: int | None, form: str
) -> None:
    """How many series of each zone are being learnt, judged by some (provisional) or all detectors (live), and unusual
    now, so that they are not learnt (suppressed); and the bound, with the feedback that it follows.
    """
    with client(context) as server:
        parameters = given(table=table, rule=rule, zone=zone, series=None if series is None else str(series))
        answer = server.get("v1", "detectors", parameters=parameters)
    columns, member = (_ZONE, "zones") if series is None else (_SERIES, "series")
    found = [{**of, **one} for of in answer["detectors"] for one in of[member]]
    rows = (tuple(_cell(one[name]) for name in columns) for one in found)
    show(Listing(columns, rows, answer, "detectors"), form)
    if not answer["detectors"]:
        note("no such rule of the kind detector is in force")
    elif not found:
        note("no series yet: the first is there when a window of its zone has closed")


def _cell(value: object) -> object:
    match value:
        case list():
            return ", ".join(map(str, value))
        case float():
            return round(value, 2)
    return value

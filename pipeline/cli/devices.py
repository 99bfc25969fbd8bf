"""`streamgauge devices`."""

from __future__ import annotations

import click

from pipeline.cli.asking import client, endpoint_option, format_option
from pipeline.cli.output import print_json, print_rows


@click.command()
@click.option("--table", help="Only this database.table.")
@click.option("--zone", help="Only this zone.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@format_option("table", "json")
@endpoint_option
@click.pass_context
def devices(context: click.Context, table: str | None, zone: str | None, limit: int, form: str) -> None:
    """Who sent what, when last, and how much was rejected and why."""
    options = {"table": table, "zone": zone, "limit": str(limit)}
    with client(context) as server:
        parameters = [(name, value) for name, value in options.items() if value is not None]
        answer = server.get("v1", "devices", parameters=parameters)
    if form == "json":
        print_json(answer)
        return
    print_rows(
        ("table", "zone", "dimensions", "measure name", "last time"),
        (tuple(device[name] for name in _DEVICE) for device in answer["devices"]),
    )
    if answer["rejected"]:
        click.echo("\nrejected")
        print_rows(
            ("MQTT topic", "reason", "count", "last arrival", "detail"),
            (tuple(rejected[name] for name in _REJECTED) for rejected in answer["rejected"]),
        )


_DEVICE = ("table", "zone", "dimensions", "measure_name", "last_time")
_REJECTED = ("mqtt_topic", "reason", "count", "last_arrival", "detail")

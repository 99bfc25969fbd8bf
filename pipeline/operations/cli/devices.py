"""`streamgauge devices`."""

from __future__ import annotations

import click

from pipeline.operations.cli.asking import client, given, list_options, server_options
from pipeline.operations.cli.output import Listing, note, print_text, show

_DEVICE = ("table", "zone", "dimensions", "measure_name", "last_time")
_ALTERED = ("table", "field", "what", "count", "last_arrival")
_REJECTED = ("mqtt_topic", "reason", "count", "last_arrival", "detail")


@click.group(invoke_without_command=True)
@click.option("--table", metavar="DATABASE.TABLE", help="Only this table.")
@click.option("--zone", metavar="ZONE", help="Only this zone.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="The largest number of entries."
)
@click.option("--rejected", "only_rejected", is_flag=True, help="Only what was rejected, by MQTT topic and reason.")
@list_options
def devices(
    context: click.Context, table: str | None, zone: str | None, limit: int, only_rejected: bool, form: str
) -> None:
    """Who sent what, when last; how much was rejected and why; which fields were altered to store them.

    CSV has one of the first two: devices, or --rejected.
    """
    if context.invoked_subcommand is not None:
        return
    with client(context) as server:
        answer = server.get("v1", "devices", parameters=given(table=table, zone=zone, limit=str(limit)))
    rejected = [tuple(entry[name] for name in _REJECTED) for entry in answer["rejected"]]
    of_rejected = Listing(_REJECTED, rejected, {"rejected": answer["rejected"]}, "rejected messages")
    if only_rejected:
        show(of_rejected, form)
        return
    found = [tuple(device[name] for name in _DEVICE) for device in answer["devices"]]
    show(Listing(_DEVICE, found, answer, "devices"), form)
    if rejected and form == "table":
        print_text("\nrejected")
        show(of_rejected, form)
    elif rejected and form == "csv":
        note(f"messages of {len(rejected)} topics were rejected; --rejected lists them")
    altered = [tuple(entry[name] for name in _ALTERED) for entry in answer["altered"]]
    if altered and form == "table":
        print_text("\nfields that were altered to store them, or left out, since the worker's start")
        show(Listing(_ALTERED, altered, {"altered": answer["altered"]}, "fields"), form)


@devices.command(short_help="Do not miss decommissioned devices any more.")
@click.argument("table")
@click.argument("dimensions", metavar="NAME=VALUE…", nargs=-1, required=True)
@server_options
def forget(context: click.Context, table: str, dimensions: tuple[str, ...]) -> None:
    """Rules about silence miss the devices of TABLE with these dimensions no more, until they are heard again.

    What they sent stays stored. Example: streamgauge devices forget farm.climate sensor=s-17
    """
    wrong = [text for text in dimensions if "=" not in text]
    if wrong:
        raise click.UsageError(f"{wrong[0]!r} is no NAME=VALUE")
    named = dict(text.split("=", 1) for text in dimensions)
    with client(context) as server:
        answer = server.post("v1", "devices", "forget", body={"table": table, "dimensions": named}).json()
    print_text(f"{answer['forgotten']} series forgotten")

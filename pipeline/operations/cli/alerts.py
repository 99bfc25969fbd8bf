"""`streamgauge alerts [list|deliveries|retry|routes]`, and what `alert_life` has."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from pipeline.operations.cli.alert_life import COMMANDS
from pipeline.operations.cli.asking import (
    client,
    format_option,
    given,
    in_pages,
    limit_option,
    list_options,
    server_options,
)
from pipeline.operations.cli.options import config_option, load_from
from pipeline.operations.cli.output import Listing, print_text, show
from store.names import DEFAULT_ACCOUNT
from store.values.durations import format_duration

_ALERT = ("status", "since", "rule", "zone", "value", "measure", "dimensions", "muted", "id")
_ROUTE = ("receiver", "route", "group", "group_wait", "group_interval", "repeat_interval")
_DELIVERY = ("state", "queued", "receiver", "attempts", "next_attempt", "settled", "error", "id")


@click.group(invoke_without_command=True)
@click.pass_context
def alerts(context: click.Context) -> None:
    """Alerts, and their deliveries to webhooks. Without a word more: `list`."""
    if context.invoked_subcommand is None:
        context.invoke(list_alerts)


@alerts.command("list")
@click.option("--status", type=click.Choice(["firing", "resolved"]), help="Only of this status.")
@click.option("--table", metavar="DATABASE.TABLE", help="Only this table.")
@click.option("--zone", metavar="ZONE", help="Only this zone.")
@click.option("--rule", metavar="GROUP/ALERT", help="Only of this rule.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="Only with this label; several: with all.")
@click.option("--from", "start", metavar="TIME", help="Changed at or after: RFC 3339, or 1h for an hour ago.")
@click.option("--to", metavar="TIME", help="Changed before.")
@limit_option(50)
@list_options
def list_alerts(
    context: click.Context,
    status: str | None,
    table: str | None,
    zone: str | None,
    rule: str | None,
    labels: tuple[str, ...] = (),
    start: str | None = None,
    to: str | None = None,
    limit: int = 50,
    form: str = "table",
) -> None:
    """Alerts, newest first."""
    parameters = given(status=status, table=table, zone=zone, rule=rule, from_=start, to=to)
    parameters += [("label", label) for label in labels]
    with client(context) as server:
        answer = in_pages(server, "v1", "alerts", parameters=parameters, key="alerts", limit=limit)
    rows = (
        tuple((alert["muted"] or {}).get("kind") if name == "muted" else alert[name] for name in _ALERT)
        for alert in answer["alerts"]
    )
    show(Listing(_ALERT, rows, answer, "alerts"), form)


@alerts.group(invoke_without_command=True, short_help="Deliveries to receivers, newest first.")
@click.option("--receiver", help="Only to this receiver.")
@click.option("--state", type=click.Choice(["queued", "delivered", "given_up"]), help="Only in this state.")
@limit_option(50)
@list_options
def deliveries(context: click.Context, receiver: str | None, state: str | None, limit: int, form: str) -> None:
    """Deliveries to receivers, newest first: how often it was tried, and what came of it."""
    if context.invoked_subcommand is not None:
        return
    parameters = given(receiver=receiver, state=state)
    with client(context) as server:
        answer = in_pages(server, "v1", "alerts", "deliveries", parameters=parameters, key="deliveries", limit=limit)
    rows = (tuple(entry[name] for name in _DELIVERY) for entry in answer["deliveries"])
    show(Listing(_DELIVERY, rows, answer, "deliveries"), form)


@deliveries.command("show", short_help="What is sent, and the answer.")
@click.argument("delivery", metavar="ID")
@server_options
def show_delivery(context: click.Context, delivery: str) -> None:
    """What each receiver is sent under this ID, and what it answered to the last attempt; secrets masked."""
    with client(context) as server:
        found = server.get("v1", "alerts", "deliveries", delivery)["deliveries"]
    for entry in found:
        head = (f"{name}: {entry[name]}" for name in (*_DELIVERY[:-1], "address", "title") if entry[name] is not None)
        print_text("\n".join([*head, "", entry["body"] or "", "", f"answer: {entry['answer']}", ""]))


@alerts.command(short_help="Try failed deliveries again, now.")
@click.argument("delivery", metavar="[ID]", required=False)
@click.option("--all-failed", is_flag=True, help="All that were given up or failed so far.")
@click.option("--receiver", help="Only to this receiver.")
@server_options
def retry(context: click.Context, delivery: str | None, *, all_failed: bool, receiver: str | None) -> None:
    """Try failed deliveries again, now and for another day: that with this ID (as `deliveries` lists them; an alert's
    own ID means all of its deliveries), or --all-failed.
    """
    if (delivery is None) != all_failed:
        raise click.UsageError("name either the ID of a delivery or --all-failed")
    wish = {"id": delivery, "all_failed": all_failed, "receiver": receiver}
    with client(context) as server:
        answer = server.post("v1", "alerts", "deliveries", "retry", body=wish).json()
    count = answer["retried"]
    told = "1 delivery is" if count == 1 else f"{count} deliveries are"
    click.echo(f"{told} tried again; `streamgauge alerts deliveries` shows the results")
    if answer["more"]:
        click.echo("there are more: run the command again")


deliveries.add_command(retry)
for command in COMMANDS:
    alerts.add_command(command)


@alerts.command(short_help="Who would hear of an alert.")
@click.option("--for", "labels", metavar="LABELS", required=True, help="As severity=critical,zone_name=gh-01/north")
@config_option
@format_option()
def routes(config_file: Path | None, labels: str, form: str) -> None:
    """Who would hear of an alert with these labels, by the configuration; no server is asked.

    Besides labels of the rule and dimensions there are account (default, if it is not given), table, zone, zone_name,
    rule, alertname and measure.
    """
    from pipeline.alerting.routing.plan import plan_of  # noqa: PLC0415  # slow to import; --help does without

    given = dict(_label(part) for part in labels.split(",") if part)
    plan = plan_of(load_from(config_file, {}).config)
    found = [
        {
            "receiver": target.receiver,
            "route": target.route or "(no route matches: every receiver)",
            "group": target.labels,
            "group_wait": _seconds(target.timing.wait_ns),
            "group_interval": _seconds(target.timing.interval_ns),
            "repeat_interval": None if target.timing.repeat_ns is None else _seconds(target.timing.repeat_ns),
        }
        for target in plan.targets("alert", {"account": DEFAULT_ACCOUNT, **given})
    ]
    rows = (tuple(row[name] for name in _ROUTE) for row in found)
    show(Listing(_ROUTE, rows, {"receivers": found}, "receivers"), form)


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.strip().partition("=")
    if not name or not equals:
        raise click.UsageError(f'"{text}" is not a label; write NAME=VALUE, and commas between several')
    return name, value


def _seconds(time_ns: int) -> str:
    return format_duration(timedelta(microseconds=time_ns // 1000))

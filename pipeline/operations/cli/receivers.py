"""`streamgauge receivers [list|test]`: who is told of alerts, by the configuration."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.operations.cli.asking import format_option
from pipeline.operations.cli.options import config_option, load_from
from pipeline.operations.cli.output import Listing, print_text, show

if TYPE_CHECKING:
    from pipeline.config import Config, Receiver

_RECEIVER = ("name", "kind", "account", "address")


@click.group()
def receivers() -> None:
    """Receivers of alerts: those of the configuration, and a test of each."""


@receivers.command("list", short_help="The receivers of the configuration.")
@config_option
@format_option()
def list_receivers(config_file: Path | None, form: str) -> None:
    """The receivers of the configuration, secrets masked."""
    config = load_from(config_file, {}).config
    found = [
        {"name": each.name, "kind": each.kind, "account": each.account, "address": each.shown}
        for each in config.receivers
    ]
    rows = (tuple(row[name] for name in _RECEIVER) for row in found)
    show(Listing(_RECEIVER, rows, {"receivers": found}, "receivers"), form)


@receivers.command(short_help="Send a sample to a receiver.")
@click.argument("name")
@config_option
def test(name: str, config_file: Path | None) -> int:
    """Send a sample that fires and then its end to this receiver, and print each request and answer, secrets masked.

    It is sent from here, not by a server. Exit code 1 if one was not accepted.
    """
    config = load_from(config_file, {}).config
    receiver = next((each for each in config.receivers if each.name == name), None)
    if receiver is None:
        known = ", ".join(each.name for each in config.receivers) or "none"
        raise click.UsageError(f'there is no receiver "{name}"; the configuration has: {known}')
    return asyncio.run(_test(receiver, config))


async def _test(receiver: Receiver, config: Config) -> int:
    from pipeline.alerting.receivers.kinds import notifier_of  # noqa: PLC0415  # slow to import; --help does without
    from pipeline.alerting.receivers.retry_policy import Accepted  # noqa: PLC0415  # as above
    from pipeline.alerting.receivers.sample import sample  # noqa: PLC0415  # as above

    notifier = notifier_of(receiver, config.brokers, wall_ns=time.time_ns)
    is_accepted = True
    now_ns = time.time_ns()
    for status in ("firing", "resolved"):
        delivery = sample(receiver.name, receiver.account, status, now_ns)
        request = notifier.request(delivery)
        head = "".join(f"\n  {name}: {value}" for name, value in request.headers.items())
        print_text(f"{request.to}{head}\n\n  {request.body}\n")
        attempt = await notifier.attempt(delivery)
        was_accepted = isinstance(attempt, Accepted) or 200 <= (attempt.status or 0) < 300
        print_text(f"{'accepted' if was_accepted else 'NOT accepted'}: {attempt.answer}\n")
        is_accepted = is_accepted and was_accepted
    await notifier.close()
    return 0 if is_accepted else 1

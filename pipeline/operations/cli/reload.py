"""`streamgauge reload`."""

from __future__ import annotations

import click

from pipeline.operations.cli.asking import client, server_options
from pipeline.operations.cli.output import print_text


@click.command()
@server_options
def reload(context: click.Context) -> int:
    """Have the server read its rule files and configuration again: rules, receivers, routes, inhibitions, silences.

    Exit code 1 if anything in them is wrong, and then nothing has changed.
    """
    with client(context) as server:
        answer = server.post("v1", "rules", "reload", body={}).json()
    count = f"{answer['rules']} rule{'' if answer['rules'] == 1 else 's'}"
    what = "changed" if answer["changed"] else "as before"
    print_text(f"{count}, {what}, {'in force' if answer['in_force'] else 'in force as soon as the log is processed'}")
    if answer["needs_restart"]:
        print_text(f"a restart is needed for changes of {', '.join(answer['needs_restart'])}")
    return 0

"""The group of all commands: imports them lazily, and maps every end to an exit code.

Exit codes: 0 fine; 1 the answer is no, or cannot be printed; 2 wrong usage or configuration; 3 the server cannot be
reached; 130 interrupted; 141 the reader of standard output has gone. An error of our own trees is one message on
standard error; anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click

from pipeline.base.errors import ConfigError, OutputFailed, ReaderGone, ServerUnreachable
from pipeline.operations.cli import standard_output
from pipeline.operations.cli.commands import COMMANDS

PACKAGES = ("pipeline", "store", "rules", "simulators")
INTERRUPTED = 130  # 128 + SIGINT, as in shells
READER_GONE = 141  # 128 + SIGPIPE


@dataclass(frozen=True, slots=True)
class Server:
    """The server and credentials of client commands; None: the default endpoint, no token."""

    endpoint: str | None
    token: str | None
    ca: Path | None = None


class LazyGroup(click.Group):
    """Takes its commands from `COMMANDS`: --help imports none of them, a call only its own."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = entry.target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that `args` begin with; for a wrong name, similar ones are suggested."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"No such command '{args[0]}'.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # as above
        """Write the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="streamgauge", prog_name="streamgauge")
@click.option(
    "--endpoint",
    envvar="STREAMGAUGE_ENDPOINT",
    show_envvar=True,
    metavar="URL",
    help="The server that client commands ask, with the token in STREAMGAUGE_TOKEN. [default: http://127.0.0.1:8080]",
)
@click.option(
    "--ca",
    envvar="STREAMGAUGE_CA",
    show_envvar=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Certificates to trust for https (PEM). [default: the usual public authorities]",
)
@click.pass_context
def streamgauge(context: click.Context, endpoint: str | None, ca: Path | None) -> None:
    """Receives the readings of devices over MQTT, checks them with rules, stores them, and answers queries."""
    context.obj = Server(endpoint, os.environ.get("STREAMGAUGE_TOKEN"), ca)


def main() -> NoReturn:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; the exit code."""
    standard_output.prepare()
    try:
        result = streamgauge.main(args=arguments, prog_name="streamgauge", standalone_mode=False)
        standard_output.finish()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:
        if not is_ours(error):
            raise
        return _told(error)
    return result if isinstance(result, int) else 0


def _told(error: Exception) -> int:
    """Print an error of ours; returns its exit code."""
    if isinstance(error, OutputFailed):
        standard_output.give_up()
    if not isinstance(error, ReaderGone):
        click.echo(f"Error: {error}", err=True)
    return exit_code_of(error)


def is_ours(error: Exception) -> bool:
    """Whether `error` is of one of our trees: all of them are in modules named errors. Imports none of them."""
    return any(
        kind.__module__.partition(".")[0] in PACKAGES and kind.__module__.rpartition(".")[2] == "errors"
        for kind in type(error).__mro__
    )


def exit_code_of(error: Exception) -> int:
    """The exit code of an error of ours."""
    if isinstance(error, ServerUnreachable):
        return 3
    if isinstance(error, ReaderGone):
        return READER_GONE
    return 2 if isinstance(error, ConfigError) else 1

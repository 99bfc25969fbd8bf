"""What client commands share: the client, its options, and paged lists."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from pipeline.operations.cli.group import Server
from pipeline.operations.cli.output import LIST_FORMATS, note
from pipeline.operations.client import DEFAULT_ENDPOINT, Client

PAGE_MAX = 1_000  # entries that the server returns at once


def client(context: click.Context) -> Client:
    """A client for the server of this command."""
    server = context.find_object(Server)
    assert server is not None
    return Client(server.endpoint or DEFAULT_ENDPOINT, server.token, server.ca)


def _choose(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None:
        server = context.find_object(Server)
        assert server is not None
        assert parameter.name is not None
        changed: dict[str, Any] = {parameter.name: value}
        context.obj = dataclasses.replace(server, **changed)


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options --endpoint and --ca after the name of a client command; it gets the context, for `client`."""
    ca = click.option(
        "--ca",
        callback=_choose,
        expose_value=False,
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Certificates to trust; as before the command's name.",
    )
    endpoint = click.option(
        "--endpoint",
        callback=_choose,
        expose_value=False,
        metavar="URL",
        help="The server to query; as before the command's name.",
    )
    return endpoint(ca(click.pass_context(command)))


def list_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that prints a list of the server."""
    return format_option()(server_options(command))


def format_option(*choices: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option --format, passed on as `form`, with these choices (all that a list has), the first by default."""
    forms = choices or LIST_FORMATS
    return click.option(
        "--format", "form", type=click.Choice(forms), default=forms[0], show_default=True, help="How to print."
    )


def limit_option(default: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option --limit of lists that the server returns in pages: any number."""
    return click.option(
        "--limit", type=click.IntRange(1), default=default, show_default=True, help="The largest number of entries."
    )


def given(**options: str | None) -> list[tuple[str, str]]:
    """The parameters of a request: the given options; `from_` stands for `from`."""
    return [(name.rstrip("_"), value) for name, value in options.items() if value is not None]


def in_pages(server: Client, *path: str, parameters: list[tuple[str, str]], key: str, limit: int) -> dict[str, Any]:
    """The newest `limit` entries of a list that the server returns in pages, as one document of the same form."""
    found: list[Any] = []
    after: int | None = None
    while True:
        size = min(PAGE_MAX, limit - len(found))
        page = server.get(*path, parameters=[*parameters, ("limit", str(size)), *given(before=_text(after))])
        found += page[key]
        after = page["next"]
        if after is None or len(found) >= limit:
            break
    if after is not None:
        note(f"the newest {len(found)}; --limit shows more")
    return {key: found, "next": after}


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


@contextmanager
def waiting(for_what: str) -> Iterator[None]:
    """While a server works: what it waits for and how long already, on standard error if that is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # noqa: PLC0415  # a moment of every start
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415  # as above

    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(for_what, total=None)
        yield

"""`streamgauge rules test` and `streamgauge rules schema`: unit tests of rules, and the schema for editors."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.operations.cli.options import config_option, load_from
from pipeline.operations.cli.output import print_json, print_text

if TYPE_CHECKING:
    from rules import Transition
    from rules.unit_tests import Hearers


@click.command("test", short_help="Run unit tests of rules.")
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
@config_option
def test_command(files: tuple[Path, ...], config_file: Path | None) -> int:
    """Run the unit tests in these files; exit code 1 if one fails.

    A failing test is printed with what is missing (-) and what came without being expected (+). Who hears of an alert
    is compared, where a test says it, by the routes of the configuration.
    """
    from rules.unit_tests import load_tests, run_test  # noqa: PLC0415  # numpy and pyarrow come with it

    hearers = _hearers(config_file)
    failed = count = 0
    for tests, rules in load_tests(files):
        for one in tests.tests:
            try:
                told = [str(difference) for difference in run_test(one, rules, hearers)]
            except ValueError as error:
                told = [f"! {error}"]
            count += 1
            failed += bool(told)
            print_text(f"{'FAILED' if told else 'ok'}  {tests.file}: {one.name}")
            for line in told:
                print_text(f"    {line}")
    print_text(f"{count} test{'' if count == 1 else 's'}: {f'{failed} failed' if failed else 'fine'}")
    return int(bool(failed))


def _hearers(config_file: Path | None) -> Hearers:
    """Who hears of an alert by the routes of a configuration, which is not needed where nobody asks."""
    from pipeline.alerting.routing.entry import labels_of  # noqa: PLC0415  # as above
    from pipeline.alerting.routing.plan import plan_of  # noqa: PLC0415
    from rules import to_event  # noqa: PLC0415

    plan = cache(lambda: plan_of(load_from(config_file, {}).config))

    def hearers(alert: Transition) -> tuple[str, ...]:
        targets = plan().targets(alert.id, labels_of(to_event(alert)))
        return tuple(sorted({target.receiver for target in targets}))

    return hearers


@click.command(short_help="The JSON schema of rule files.")
@click.option("--tests", is_flag=True, help="That of unit-test files.")
def schema(tests: bool) -> None:
    """Print the JSON schema of rule files, for editors that check YAML while it is written."""
    from rules.schema import rule_schema, unit_test_schema  # noqa: PLC0415  # as above

    print_json(unit_test_schema() if tests else rule_schema())

"""`streamgauge rules test` and `streamgauge rules schema`: unit tests of rules, and the schema for editors."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.operations.cli.output import print_json, print_text


@click.command("test", short_help="Run unit tests of rules.")
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
def test_command(files: tuple[Path, ...]) -> int:
    """Run the unit tests in these files; exit code 1 if one fails.

    A failing test is printed with what is missing (-) and what came without being expected (+).
    """
    from rules.unit_tests import load_tests, run_test  # noqa: PLC0415  # numpy and pyarrow come with it

    failed = count = 0
    for tests, rules in load_tests(files):
        for one in tests.tests:
            try:
                told = [str(difference) for difference in run_test(one, rules)]
            except ValueError as error:
                told = [f"! {error}"]
            count += 1
            failed += bool(told)
            print_text(f"{'FAILED' if told else 'ok'}  {tests.file}: {one.name}")
            for line in told:
                print_text(f"    {line}")
    print_text(f"{count} test{'' if count == 1 else 's'}: {f'{failed} failed' if failed else 'fine'}")
    return int(bool(failed))


@click.command(short_help="The JSON schema of rule files.")
@click.option("--tests", is_flag=True, help="That of unit-test files.")
def schema(tests: bool) -> None:
    """Print the JSON schema of rule files, for editors that check YAML while it is written."""
    from rules.schema import rule_schema, unit_test_schema  # noqa: PLC0415  # as above

    print_json(unit_test_schema() if tests else rule_schema())

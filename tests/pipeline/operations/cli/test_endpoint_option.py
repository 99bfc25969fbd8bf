"""Which server a client command asks."""

import pytest

from pipeline.operations.cli.group import run


@pytest.mark.parametrize(
    "arguments",
    [
        ["--endpoint", "http://127.0.0.1:9", "query", "SELECT 1"],
        ["query", "SELECT 1", "--endpoint", "http://127.0.0.1:9"],
        ["--endpoint", "http://127.0.0.1:1", "alerts", "deliveries", "--endpoint", "http://127.0.0.1:9"],
        ["--endpoint", "http://127.0.0.1:9", "alerts"],
        ["averages", "z", "--measure", "t", "--endpoint", "http://127.0.0.1:9"],
        ["dead-letters", "list", "--endpoint", "http://127.0.0.1:9"],
        ["devices", "--endpoint", "http://127.0.0.1:9"],
    ],
)
def test_the_endpoint_nearest_the_command_is_asked(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The discard port has no server: the exit code is 3, and the message names what was asked."""
    assert run(arguments) == 3

    assert "no server answers at http://127.0.0.1:9 " in capsys.readouterr().err

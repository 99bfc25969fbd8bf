"""The command `streamgauge`: one small file per command, imported when it is called."""

from pipeline.operations.cli.group import main

__all__ = ["main"]

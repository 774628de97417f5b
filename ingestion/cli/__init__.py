"""The command line: parse the arguments, call a command, return an exit code. Only this package prints."""

from ingestion.cli.commands import main

__all__ = ["main"]

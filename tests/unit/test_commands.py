"""The table of the commands: what it names exists, and a command imports only what it needs."""

import subprocess
import sys

import pytest

from ingestion.cli import commands
from ingestion.config import ROOT

# what a run without new files has no use for; a later import would go unnoticed otherwise
UNUSED = {
    *("sqlalchemy", "pandas", "numpy", "pyarrow", "dbt", "jinja2", "obstore", "openpyxl"),
    *("requests", "opentelemetry", "openlineage", "prometheus_client", "tenacity"),
}


@pytest.mark.parametrize("command", commands.HANDLERS)
def test_each_command_has_its_handler(command: str) -> None:
    assert callable(commands.handler(command))


def test_each_command_that_needs_no_database_is_a_command() -> None:
    assert set(commands.HANDLERS) >= commands.WITHOUT_DATABASE


def test_a_run_imports_nothing_that_it_may_not_need() -> None:
    program = "import sys; import ingestion.cli.runs, ingestion.cli.commands; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert UNUSED.isdisjoint(loaded.stdout.split())

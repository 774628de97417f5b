"""What sqlfluff's stand-ins for dbt lack, so that linting needs no database: the vars, and that there is one node."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

_VARS: dict[str, Any] = yaml.safe_load(Path(__file__).parents[1].joinpath("dbt_project.yml").read_text("utf-8"))["vars"]

graph = SimpleNamespace(nodes={})
model = SimpleNamespace(resource_type="model", unique_id="")


def var(name: str) -> Any:
    """Return the var's default."""
    return _VARS[name]


def env_var(_name: str, default: str = "") -> str:
    """Return the default."""
    return default


def in_schema(name: str) -> str:
    """Return the schema without a prefix. sqlfluff reads the files of macros in the order of their names."""
    return name


def intermediate() -> str:
    """Return the schema of the functions."""
    return in_schema("intermediate")


def is_distributed() -> bool:
    """Return that all tables are on one node, which is what the following stand-ins assume."""
    return False


def spread(_name: str, _column: str, sql: str) -> str:
    """Return the query in place."""
    return f"({sql})"


def state_of(query: str) -> str:
    """Return the query in place."""
    return query


def read_twice() -> str:
    """Return nothing: rows that are read twice are kept."""
    return ""

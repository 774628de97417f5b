"""What sqlfluff's stand-ins for dbt lack: the vars of dbt_project.yml and its environment. So that linting needs no database."""

from pathlib import Path
from typing import Any

import yaml

_VARS: dict[str, Any] = yaml.safe_load(Path(__file__).parents[1].joinpath("dbt_project.yml").read_text("utf-8"))["vars"]


def var(name: str) -> Any:
    """Return the var's default."""
    return _VARS[name]


def env_var(name: str, default: str = "") -> str:
    """Return the default."""
    return default

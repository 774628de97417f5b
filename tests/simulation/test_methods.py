"""docs/methods.md names the cut-offs that the marts use."""

import re
from typing import Any

import pytest
import yaml

from ingestion.config import ROOT

PAGE = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
VARIABLES: dict[str, Any] = yaml.safe_load((ROOT / "dbt" / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
NAMED = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("name", "value"), NAMED, ids=[name for name, _ in NAMED])
def test_the_page_has_the_value_of(name: str, value: str) -> None:
    assert float(value) == VARIABLES[name]


def test_the_page_names_every_cut_off_of_the_cusums() -> None:
    used = {name for name in VARIABLES if re.match(r"cusum_|wear_|z_clip|m.._start_|m.._wear_", name)}
    assert used
    assert used <= {name for name, _ in NAMED}

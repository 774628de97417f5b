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


def test_the_page_names_every_cut_off_of_the_verdicts() -> None:
    used = {
        name
        for name in VARIABLES
        if re.match(r"cusum_|wear_|z_clip|m.._start_|m.._wear_|(min_)?volume_|battery_|not_synced_|clear_", name)
    }
    assert used
    assert used <= {name for name, _ in NAMED}


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("main.js", "first {min_start_days} to {max_start_days} valid days"),
        ("main.js", "fewer than {min_start_days} valid days"),
        ("main.js", "not worn for {stopped_after_days} days after regular wear, or for {recent_days} days"),
        ("main.js", "from 0 to {cusum_cap}) rises above {cusum_on}, and taken back when it falls below {cusum_off}"),
        ("main.js", "fewer than {min_share_users} people"),
        ("participants.js", "first {min_start_days} to {max_start_days} valid days"),
        ("participant.js", "said from {cusum_on}, taken back below {cusum_off}"),
        ("participant.js", "said from {wear_on}, taken back below {wear_off}"),
        ("participant.js", "of the {min_start_days} that a verdict"),
        ("answer.js", "Fewer than {min_start_days} valid days"),
    ],
)
def test_the_report_says_the_cut_offs(script: str, words: str) -> None:
    static = ROOT / "ingestion" / "report" / "static"
    assert words.format(**VARIABLES) in (static / script).read_text(encoding="utf-8")

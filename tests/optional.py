"""Tests that a machine may lack the means for, and the command that adds them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Group:
    """A group of tests that are skipped on a machine without what they need.

    Arguments:
        what: what they test, as a part of a sentence.
        targets: the targets of make that add them.
        setting: the variable that adds them, if any.

    """

    what: str
    targets: str
    setting: str = ""


BROWSER: Final = Group("the report in a browser", "test-tools test")
AZURE: Final = Group("Azure storage", "test-tools test")
EXPORTS: Final = Group("the marts on real exports", "test", "FITABASE_2016_04=FOLDER")
PARTICIPANTS: Final = Group("days of real participants", "test", "ACTIWEARCHECK=FOLDER")
CITUS: Final = Group("the models on Citus", "test", "TEST_CITUS_URL=URL")
CONTAINERS: Final = Group("the image in containers", "test-container")

GROUPS: Final = {group.what: group for group in (BROWSER, AZURE, EXPORTS, PARTICIPANTS, CITUS, CONTAINERS)}


def sentence(reasons: Iterable[str]) -> str:
    """Return what was not tested and the command that adds it, or an empty string.

    Arguments:
        reasons: the reason of each skipped test.

    """
    counts: dict[str, int] = {}
    for reason in reasons:
        counts[reason] = counts.get(reason, 0) + 1
    if not counts:
        return ""
    listed = [f"{reason} ({count})" for reason, count in sorted(counts.items())]
    text = f"Not tested here: {', '.join(listed[:-1])}{' and ' if listed[1:] else ''}{listed[-1]}."
    groups = [GROUPS[reason] for reason in GROUPS if reason in counts]
    words = dict.fromkeys(word for group in groups for word in group.targets.split())
    # test-tools goes first: the tests need what it installs
    targets = sorted(words, key=lambda word: (word != "test-tools", word))
    settings = [group.setting for group in groups if group.setting]
    return f"{text} Add this with: make {' '.join([*targets, *settings])}" if groups else text

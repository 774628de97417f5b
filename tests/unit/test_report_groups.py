"""Which groups a report shows: none that is so small that its members can be recognised."""

from collections import Counter
from typing import Any

import pytest

from ingestion.report.groups import Groups, Place


def groups(*sizes: int, without: int = 0, with_user_ids: bool = False) -> Groups:
    """Return the groups of a study with arms of these sizes, and no sites."""
    arms = [f"arm {number}" for number, size in enumerate(sizes) for _ in range(size)]
    places = Counter[Place]((arm, None) for arm in [*arms, *[None] * without])
    return Groups(places, with_user_ids=with_user_ids)


@pytest.mark.parametrize(
    ("sizes", "without", "shown"),
    [
        ((5, 6), 0, [5, 6]),
        ((), 3, []),
        ((4,), 0, []),
        ((4,), 1, []),
        # who is in no arm is no group, and hides none
        ((8, 9), 2, [8, 9]),
        # the figures of the small one are those of everyone without the others
        ((4, 9, 20), 0, [20]),
        ((4, 9, 20), 1, [9, 20]),
        ((2, 3, 20), 0, [20]),
        ((2, 2, 20), 0, []),
        ((1, 30), 0, []),
    ],
)
def test_small_groups_are_hidden(sizes: tuple[int, ...], without: int, shown: list[int]) -> None:
    found = groups(*sizes, without=without)
    everyone, *arms = found.shown
    assert everyone.users == sum(sizes) + without
    assert sorted(arm.users for arm in arms) == shown
    assert found.has_hidden == (len(shown) < len(sizes))
    hidden = everyone.users - sum(arm.users for arm in arms)
    assert not found.has_hidden or hidden >= 5 or not arms
    assert [arm.users for arm in groups(*sizes, without=without, with_user_ids=True).shown[1:]] == list(sizes)


def test_the_rows_of_hidden_groups_are_left_out() -> None:
    places: dict[Place, int] = {("A", "X"): 6, ("B", "X"): 6, ("C", "Y"): 5, (None, "Y"): 5}
    found = Groups(places, with_user_ids=False)
    assert [(group.kind, group.title, group.users) for group in found.shown] == [
        ("all", "", 22),
        ("arm", "A", 6),
        ("arm", "B", 6),
        ("arm", "C", 5),
        ("site", "X", 12),
        ("site", "Y", 10),
    ]
    assert found.number("arm", "C") == 3
    assert found.number("arm", None) is None
    assert found.number("site", "Z") is None
    rows: dict[str, list[Any]] = {
        "arm": ["all", "A", "D", "all", "all", "A"],
        "site": ["all", "all", "all", "Y", "Z", "X"],
        "users": [1, 2, 3, 4, 5, 6],
    }
    assert found.rows(rows) == {"group": [0, 1, 5], "users": [1, 2, 4]}

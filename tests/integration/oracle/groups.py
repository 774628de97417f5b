"""The groups that participants are counted in: everybody, each arm and each site."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

EVERYBODY = ("all", "all")


def groups_of(participants: pd.DataFrame | None) -> dict[tuple[str, str], set[str]]:
    """Return the participants of each arm and site; everybody is in `all` and `all`.

    Arguments:
        participants: dim_participant, or None without participants.

    """
    groups: dict[tuple[str, str], set[str]] = {EVERYBODY: set()}
    for row in [] if participants is None else participants.to_dict("records"):
        for group in groups_of_one(row):
            groups.setdefault(group, set()).add(row["user_id"])
    return groups


def groups_of_one(participant: Mapping[Any, Any]) -> set[tuple[str, str]]:
    """Return the arms and sites that count a participant; one that is called `all` is no group."""
    arm, site = (None if pd.isna(participant[name]) else participant[name] for name in ("arm", "site"))
    return {EVERYBODY, (arm or "all", "all"), ("all", site or "all")}

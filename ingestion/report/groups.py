"""Which groups a report shows: everyone, the arms and the sites.

Where a report hides user ids, it names no group that is so small that its members can be recognised, and has no figures
of it. Nor can these be computed as what is missing to everyone: whoever is in no group of the report is one of several.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

# fewer people than these can be recognised
MIN_USERS = 5
# as the marts call everyone
_ALL = "all"

Kind = Literal["all", "arm", "site"]
# the arm and the site of a participant; None where the roster has none
Place = tuple[str | None, str | None]


@dataclass(frozen=True)
class Group:
    """A group of participants.

    Arguments:
        kind: whether it is everyone, an arm or a site.
        title: the name in the roster; empty for everyone.
        users: how many participants are in it, whether the report shows them or not.

    """

    kind: Kind
    title: str
    users: int


class Groups:
    """The groups that a report shows. Everyone is the first.

    Arguments:
        places: how many participants have which arm and site.
        with_user_ids: the report shows user ids, and so all groups.

    """

    def __init__(self, places: Mapping[Place, int], *, with_user_ids: bool) -> None:
        everyone = sum(places.values())
        self.shown = [Group("all", "", everyone)]
        self.has_hidden = False
        kinds: tuple[tuple[Kind, int], ...] = (("arm", 0), ("site", 1))
        for kind, part in kinds:
            named = Counter[str]()
            for place, users in places.items():
                if (title := place[part]) is not None:
                    named[title] += users
            hidden = set() if with_user_ids else _hidden(named, everyone)
            self.has_hidden |= bool(hidden)
            self.shown += [Group(kind, title, named[title]) for title in sorted(named.keys() - hidden)]
        self._numbers = {(group.kind, group.title): number for number, group in enumerate(self.shown)}

    def number(self, kind: Kind, title: str | None) -> int | None:
        """Return the place of a group in `shown`; None if it is not there.

        Arguments:
            kind: the kind of the group.
            title: its name in the roster.

        """
        return self._numbers.get((kind, title)) if title is not None else None

    def numbers(self, arm: str | None, site: str | None) -> list[int]:
        """Return the groups that a participant is in, as places in `shown`.

        Arguments:
            arm: the arm of the participant; None if the roster has none.
            site: the site.

        """
        return [0, *(number for number in (self.number("arm", arm), self.number("site", site)) if number is not None)]

    def rows(self, columns: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """Return the rows of the shown groups, with the number of the group in place of its arm and site.

        Arguments:
            columns: those of a mart that has a row for everyone, for each arm and for each site.

        """
        numbers = [self._of_row(arm, site) for arm, site in zip(columns["arm"], columns["site"], strict=True)]
        kept = [row for row, number in enumerate(numbers) if number is not None]
        others = {name: values for name, values in columns.items() if name not in ("arm", "site")}
        return {
            "group": [numbers[row] for row in kept],
            **{name: [values[row] for row in kept] for name, values in others.items()},
        }

    def _of_row(self, arm: str, site: str) -> int | None:
        if arm != _ALL:
            return self.number("arm", arm) if site == _ALL else None
        return self.number("site", site) if site != _ALL else 0


def _hidden(named: Mapping[str, int], everyone: int) -> set[str]:
    """Return the groups that a report with pseudonyms does not show.

    Arguments:
        named: the size of each group of a kind.
        everyone: the number of all participants, also of those in none of these groups.

    """
    smallest_first = sorted(named, key=lambda title: (named[title], title))
    hidden = {title for title in smallest_first if named[title] < MIN_USERS}
    for title in smallest_first:
        in_none = everyone - sum(users for other, users in named.items() if other not in hidden)
        if not hidden or in_none >= MIN_USERS:
            break
        hidden.add(title)
    return hidden

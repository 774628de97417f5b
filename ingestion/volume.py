"""How much each dataset brings: its latest delivery, compared with the same weekday before. From `marts.rpt_volume`."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from ingestion import db

LowIn = Literal["participants", "rows", "participants and rows"]

# a site with fewer is not watched by itself
_LEAST_PEOPLE = 5
_ALL = "all"
_MART = "marts.rpt_volume"
_queries = db.queries("volume")
_health_queries = db.queries("health")


@dataclass(frozen=True)
class Volume:
    """The latest delivery of a dataset: the files with the latest day of data.

    Arguments:
        dataset: the name of the dataset.
        site: the site, or `all`.
        delivery_date: the latest day in these files.
        users: the participants in them who are in the study.
        rows_loaded: the rows that were loaded; None for a site, of which they are not known.
        usual_users: the participants that are usual on this weekday; None with too few weeks.
        usual_rows: the rows that are usual on this weekday.
        weeks: the deliveries that are compared.
        is_low: whether there are clearly fewer than usual; None if that cannot be said, with too few weeks.
        low_in: of what there are fewer.

    """

    dataset: str
    site: str
    delivery_date: date
    users: int
    rows_loaded: int | None
    usual_users: float | None
    usual_rows: float | None
    weeks: int
    is_low: bool | None
    low_in: LowIn | None

    @property
    def where(self) -> str:
        """The dataset, and the site if it is that of one."""
        return self.dataset if self.site == _ALL else f"{self.dataset} from {self.site}"

    @property
    def message(self) -> str:
        """One line about a low delivery."""
        found = f"{self.users:,} participants (usual: {self.usual_users or 0:,.0f})"
        if self.rows_loaded is not None:
            found += f" and {self.rows_loaded:,} rows (usual: {self.usual_rows or 0:,.0f})"
        day = f"{self.delivery_date:%A} {self.delivery_date}"
        return f"{self.where}: fewer {self.low_in} than usual on this weekday: {found} for {day}"


def read_volumes(connection: db.Connection) -> list[Volume]:
    """Return the latest delivery of each dataset, and of each site with five participants or more.

    Arguments:
        connection: of any role. One that may not read the marts, and a database without them, give nothing.

    """
    if not _health_queries.may_read(connection, relation=_MART):
        return []
    rows = _queries.latest_deliveries(connection, least_people=_LEAST_PEOPLE)
    return [Volume(**row._asdict()) for row in rows]

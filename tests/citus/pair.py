"""The same study on two engines, compared cell by cell."""

from typing import Any

import pandas as pd

from tests.integration.warehouse import Warehouse

# when something was seen or done differs between two databases
_TIMES = {"changed_at", "checked_at", "run_id"}
_RELATIONS = """
select n.nspname || '.' || c.relname
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
where
    n.nspname in ('staging', 'intermediate', 'marts')
    and c.relkind in ('r', 'v')
    -- the working tables of Citus are empty between runs
    and c.relname !~ '^model_state$|__working$'
order by 1
"""


class Pair:
    """A study on plain PostgreSQL and on Citus. What changes one changes the other.

    Arguments:
        plain: the study on plain PostgreSQL.
        spread: the study on Citus.

    """

    def __init__(self, plain: Warehouse, spread: Warehouse) -> None:
        self.plain, self.spread = plain, spread

    def put(self, source: str, name: str, rows: pd.DataFrame, device: str = "Fitbit") -> None:
        for warehouse in (self.plain, self.spread):
            warehouse.put(source, name, rows, device)

    def retract(self, source: str, name: str) -> None:
        for warehouse in (self.plain, self.spread):
            warehouse.retract(source, name)

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement on both, and return what plain PostgreSQL answers."""
        self.spread.execute(statement)
        return self.plain.execute(statement)

    def build(self, *arguments: str) -> None:
        """Build both, with the tests of dbt, and compare every relation."""
        for warehouse in (self.plain, self.spread):
            warehouse.build(*arguments)
        self.assert_same()

    def assert_same(self) -> None:
        """Compare all tables and views that dbt has built; numbers to nine digits."""
        relations = [name for (name,) in self.plain.execute(_RELATIONS)]
        assert [name for (name,) in self.spread.execute(_RELATIONS)] == relations
        for relation in relations:
            expected, actual = (
                _sorted(warehouse.frame(f"select * from {relation}")) for warehouse in (self.plain, self.spread)
            )
            pd.testing.assert_frame_equal(actual, expected, check_dtype=False, rtol=1e-9, atol=1e-9, obj=relation)


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in an order that rounding does not change, without times."""
    frame = frame[[column for column in frame.columns if column not in _TIMES]]
    exact = [column for column in frame.columns if not frame[column].map(lambda value: isinstance(value, float)).any()]
    return frame.sort_values(exact, key=lambda column: column.astype(str), ignore_index=True)

"""All scenarios, and the table of each of their rows."""

from scripts.bench import against, distant, folders, loads, marts, report, starts, storage
from scripts.bench.pipeline import Pipeline
from scripts.bench.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *loads.SCENARIOS,
    *folders.SCENARIOS,
    *distant.SCENARIOS,
    *starts.SCENARIOS,
    *marts.SCENARIOS,
    *report.SCENARIOS,
    *storage.SCENARIOS,
)
# of every row that there is, in the order of the tables; which earlier version it is does not matter here
TABLE_OF = {
    spec.name: scenario.table for scenario in (*SCENARIOS, *against.scenarios(Pipeline())) for spec in scenario.rows
}

"""Compares the marts with those that an independent implementation computes from the model's rows."""

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd

from tests.torture.contents import DATASETS
from tests.torture.findings import Finding
from tests.torture.trial import Trial

if TYPE_CHECKING:
    from tests.torture.snapshot import Snapshot

_TIMES = {
    "sleep": "sleep_day",
    "daily_activity": "activity_date",
    "hourly_steps": "activity_hour",
    "heart_rate": "measured_at",
}


def difference(trial: Trial, final: "Snapshot") -> Finding | None:
    """Return the first difference, or None.

    Arguments:
        trial: the trial, after a whole run.
        final: what the database holds.

    """
    # these import dbt, which takes a second and is needed by few trials
    from ingestion.config import Database  # noqa: PLC0415
    from tests.integration import warehouse  # noqa: PLC0415
    from tests.integration.oracle import rows as oracle_rows  # noqa: PLC0415

    rows = trial.model.marts_input(final)

    class Expected(warehouse.Warehouse):
        """The marts of the trial, and the raw rows of the model."""

        def raw(self, source: str) -> pd.DataFrame:
            # no trial has a roster, and there the oracle reads no column
            times, values = oracle_rows.READ.get(source, ((), ()))
            if source not in DATASETS:
                return pd.DataFrame(columns=["user_id", *times, *values, "file_name", "device", "_loaded_at"])
            frame = _frame(source, rows.get(source, []))
            for column in values:
                if column not in frame:
                    frame[column] = float("nan")
            return frame

    parameters = {"host": str(trial.server.disk.root), "user": "postgres", "dbname": trial.database}
    expected = Expected(Database(parameters, "the laboratory"), trial.folder)
    try:
        warehouse.assert_marts_are_right(expected)
    except AssertionError as exc:
        return Finding("mixed", f"the marts are not those of the loaded rows: {' '.join(str(exc).split())[:200]}")
    finally:
        expected.close()
    return None


def _frame(source: str, rows: list[tuple[str, str]]) -> pd.DataFrame:
    columns = DATASETS[source].columns.split(", ")
    text = "\n".join([",".join(columns), *(row for _, row in rows)])
    frame = pd.read_csv(io.StringIO(text), dtype={"user_id": str})
    frame[_TIMES[source]] = pd.to_datetime(frame[_TIMES[source]])
    frame["file_name"] = [name for name, _ in rows]
    frame["device"] = "Fitbit"
    frame["_loaded_at"] = pd.Timestamp(datetime.now(UTC))
    return frame

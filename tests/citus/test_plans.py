"""What the coordinator gathers while the marts are built: nothing that grows with the days of the participants."""

import re
from collections import defaultdict
from datetime import date
from typing import Any

import pytest
from dbt.adapters.postgres.connections import PostgresConnectionManager

from ingestion.config import Database
from tests.integration.study import Study
from tests.integration.warehouse import Warehouse

# files, and the time of a change, are on the coordinator
_GATHERED = re.compile(r"generating subplan|Collecting INSERT|repartitioned INSERT")
_NODE = re.compile(r'"node": "model\.\w+\.(\w+)"')
# the state of the models; rows that move from the node of an identifier to that of its participant
_ELSEWHERE = re.compile(r"\bmodel_state$|__(rows|owners)_\w+__working$")
# as many rows as there are files, people or months, and not days
_SMALL = {"int_file_user", "int_user_device", "int_user_of_devices", "int_user_month_rows", "stg_participants"}


@pytest.fixture
def gathered(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What Citus says of each model that it gathers, by statement that writes rows of the model."""
    found = defaultdict[str, list[str]](list)
    add_query = PostgresConnectionManager.add_query

    def recorded(self: Any, sql: str, *arguments: Any, **options: Any) -> Any:
        handle = self.get_thread_connection().handle
        del handle.notices[:]
        result = add_query(self, sql, *arguments, **options)
        node = _NODE.search(sql)
        writes = re.search(r"^\s*(insert into|delete from)\s+(\S+)", sql.split("*/", 1)[-1])
        if (
            node
            and writes
            and "model_state" not in writes[2]
            and not re.search(r"__(rows|owners)_\w+__working", writes[2])
        ):
            found[node[1]] += [text for text in handle.notices if _GATHERED.search(text)]
        return result

    monkeypatch.setattr(PostgresConnectionManager, "add_query", recorded)
    monkeypatch.setenv("PGOPTIONS", "-c client_min_messages=debug1")
    return found


def test_days_of_participants_stay_on_their_nodes(
    citus: Database, gathered: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    warehouse = Warehouse(citus, tmp_path_factory.mktemp("dbt"))
    study = Study(3, people=14, start=date(2025, 11, 25))
    warehouse.put("daily_activity", "daily_activity_045.csv", study.activity(0, 45))
    warehouse.put("hourly_steps", "hourly_steps_045.csv", study.hourly(20, 47))
    warehouse.put("sleep", "sleep_045.csv", study.sleep(0, 45))
    warehouse.run()
    warehouse.put("daily_activity", "daily_activity_050.csv", study.activity(44, 50))
    warehouse.run()
    by_user = {name for name in gathered if name.startswith(("stg_", "int_user_", "fct_user_"))} - _SMALL
    assert len(by_user) > 15
    assert {name: gathered[name] for name in by_user if gathered[name]} == {}
    warehouse.close()

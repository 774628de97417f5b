"""A whole run that sends telemetry to a collector and lineage to a catalogue."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

from ingestion import log, runner
from ingestion.config import Database, Settings, exported
from ingestion.results import RunResult
from tests.drops import SLEEP_HEADER, activity, sleep
from tests.listeners import Answer, Service, serve

USER = 8877689391
PASSWORD = "a-password-of-the-database"
TOKEN = "a-token-of-the-collector"
API_KEY = "a-key-of-the-catalogue"
VALUE = "oh dear"
PLANTED = (str(USER), PASSWORD, TOKEN, API_KEY, VALUE)

TRACE, PARENT_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT_RUN = "3bb703d1-09c1-4a42-8da5-35a0b3216072"

# servers that fail; for "down" no server listens
ANSWERS = {"down": Answer(), "hangs": Answer(after=5), "500": Answer(500)}


@dataclass(frozen=True)
class ObservedRun:
    """A run, its log, and the servers that received its telemetry and lineage."""

    settings: Settings
    run: RunResult
    lines: list[dict[str, object]]
    collector: Service
    catalogue: Service


@contextmanager
def whole_run(database: Database, folder: Path) -> Iterator[ObservedRun]:
    """Run on good and bad files, some in the folder of one participant, as part of an orchestrator's run."""
    landing = folder / "landing"
    folder_of_user = landing / f"user_id={USER}"
    folder_of_user.mkdir(parents=True)
    (landing / "daily_activity.csv").write_bytes(activity(USER, 2))
    (folder_of_user / "sleep.csv").write_bytes(sleep(USER, 2) + f"{USER},4/13/2016,1,{VALUE} {USER},346\n".encode())
    (folder_of_user / "sleep_2.csv").write_text(
        SLEEP_HEADER.replace("SleepDay", "Night") + f"\n{USER},4/12/2016,1,2,3\n"
    )
    with serve(Service()) as collector, serve(Service()) as catalogue:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{TOKEN}",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
            "TRACEPARENT": f"00-{TRACE}-{PARENT_SPAN}-01",
            "OPENLINEAGE_URL": catalogue.url,
            "OPENLINEAGE_API_KEY": API_KEY,
            "OPENLINEAGE_NAMESPACE": "study",
            "OPENLINEAGE_PARENT_ID": f"airflow/nightly.wearables/{PARENT_RUN}",
        }
        wanted = Settings.from_environment(variables)
        settings = replace(
            wanted,
            database=replace(database, parameters={**database.parameters, "password": PASSWORD}),
            data_dir=str(landing),
            use_manifest=True,
            dbt_target_dir=folder / "target",
            dbt_log_dir=folder / "logs",
        )
        lines = StringIO()
        log.configure("json", lines)
        with exported(variables):
            before = dict(os.environ)
            run = runner.run(settings)
            assert dict(os.environ) == before
        yield ObservedRun(
            settings, run, [json.loads(line) for line in lines.getvalue().splitlines()], collector, catalogue
        )

"""The events that a run sends to OpenLineage. A catalogue that fails changes nothing."""

import importlib
import inspect
import json
import pkgutil
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from openlineage.client import event_v2, generated

from ingestion import log, runner
from ingestion.config import Settings
from ingestion.errors import Interrupted
from ingestion.lineage import datasets
from ingestion.results import Counts, FileResult
from tests.drops import sleep
from tests.listeners import Answer, Service, serve
from tests.observed import ANSWERS, API_KEY, PARENT_RUN, PLANTED, Told

JOB = "wearables-pipeline"

Event = dict[str, Any]
Events = dict[str, dict[str, Event]]
Configured = Callable[..., Settings]

FACETS = {
    cls.__name__: cls
    for module in pkgutil.iter_modules(generated.__path__)
    for _, cls in inspect.getmembers(importlib.import_module(f"{generated.__name__}.{module.name}"), inspect.isclass)
    if cls.__name__.endswith("Facet")
}


@pytest.fixture
def configured(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Configured:
    """Settings with lineage, as the process's environment has it."""

    def configured(**variables: str) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return replace(settings, lineage=Settings.from_environment(variables).lineage)

    return configured


def events_of(catalogue: Service) -> Events:
    """The events by job and state."""
    events: Events = defaultdict(dict)
    for body in catalogue.bodies("/api/v1/lineage"):
        event = json.loads(body)
        events[event["job"]["name"]][event["eventType"]] = event
    return events


def names(event: Event, which: str) -> set[str]:
    return {dataset["name"] for dataset in event[which]}


def test_each_event_is_one_that_the_client_itself_would_build(told: Told) -> None:
    bodies = told.catalogue.bodies("/api/v1/lineage")
    assert len(bodies) > 50
    for body in bodies:
        event = json.loads(body)
        assert event.pop("schemaURL").endswith("#/$defs/RunEvent")
        run, job = event.pop("run"), event.pop("job")
        inputs, outputs = event.pop("inputs"), event.pop("outputs")
        check_facets(run.pop("facets"), job.pop("facets"))
        for dataset in (*inputs, *outputs):
            check_facets(*(dataset.pop(kind, {}) for kind in ("facets", "inputFacets", "outputFacets")))
        event_v2.RunEvent(
            run=event_v2.Run(**run),
            job=event_v2.Job(**job),
            eventType=event_v2.RunState(event.pop("eventType")),
            inputs=[event_v2.InputDataset(**dataset) for dataset in inputs],
            outputs=[event_v2.OutputDataset(**dataset) for dataset in outputs],
            **event,
        )


def check_facets(*facets: dict[str, dict[str, Any]]) -> None:
    for facet in (facet for each in facets for facet in each.values()):
        assert facet.pop("_producer").startswith("urn:wearables-pipeline:")
        FACETS[facet.pop("_schemaURL").rpartition("/")[2]](**facet)


def test_runs_begin_and_end_and_say_whose_part_they_are(told: Told) -> None:
    events = events_of(told.catalogue)
    assert {name: set(states) for name, states in events.items() if "dbt_build." not in name} == {
        JOB: {"START", "FAIL"},
        f"{JOB}.ingest": {"START", "FAIL"},
        f"{JOB}.ingest.sleep": {"START", "FAIL"},
        f"{JOB}.ingest.daily_activity": {"START", "COMPLETE"},
        f"{JOB}.dbt_build": {"START", "COMPLETE"},
    }
    assert events[JOB]["START"]["run"]["runId"] == str(told.run.run_id)
    for name, states in events.items():
        (run_id,) = {event["run"]["runId"] for event in states.values()}
        assert UUID(run_id)
        first, last = states.pop("START"), *states.values()
        assert first["eventTime"] <= last["eventTime"]
        for event in (first, last):
            assert event["job"]["namespace"] == "study"
            parent = event["run"]["facets"]["parent"]
            assert parent["root"]["run"]["runId"] == PARENT_RUN
            above = name.rpartition(".")[0]
            expected = events_of(told.catalogue)[above]["START"]["run"]["runId"] if above else PARENT_RUN
            assert parent["run"]["runId"] == expected


def test_an_ingest_leads_from_its_files_to_its_table(told: Told) -> None:
    event = events_of(told.catalogue)[f"{JOB}.ingest.daily_activity"]["COMPLETE"]
    (file,), (table,) = event["inputs"], event["outputs"]
    assert (file["namespace"], file["name"]) == ("file", f"{told.settings.landing_zone}/daily_activity.csv")
    assert file["inputFacets"]["inputStatistics"]["rowCount"] == 2
    assert file["inputFacets"]["inputStatistics"]["size"] > 100
    assert table["namespace"].startswith("postgres://")
    assert table["name"] == f"{told.settings.known_database.parameters['dbname']}.raw.daily_activity"
    assert table["outputFacets"]["outputStatistics"]["rowCount"] == 2
    fields = {field["name"]: field["type"] for field in table["facets"]["schema"]["fields"]}
    assert fields["user_id"] == "bigint"


def test_rows_and_files_that_were_refused_are_told_with_the_reason(told: Told) -> None:
    event = events_of(told.catalogue)[f"{JOB}.ingest.sleep"]["FAIL"]
    assert event["run"]["facets"]["errorMessage"]["message"].startswith("user_id=***/sleep_2.csv: ")
    assertions = {
        dataset["name"].rpartition("landing/")[2]: dataset["inputFacets"]["dataQualityAssertions"]["assertions"]
        for dataset in event["inputs"]
        if "dataQualityAssertions" in dataset["inputFacets"]
    }
    ((name, (assertion,)),) = assertions.items()
    assert name == "user_id=***/sleep.csv"
    assert (assertion["assertion"], assertion["column"]) == ("not_castable", "total_minutes_asleep")
    assert (assertion["success"], assertion["actual"]) == (False, "1")
    assert event["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 2


def test_what_ingest_writes_is_what_dbt_reads_all_the_way_to_the_marts(told: Told) -> None:
    events = events_of(told.catalogue)
    written = {
        name: event for states in events.values() for event in states.values() for name in names(event, "outputs")
    }
    database = told.settings.known_database.parameters["dbname"]
    reached, todo = set(), {f"{database}.marts.rpt_cohort_engagement"}
    while todo:
        table = todo.pop()
        reached.add(table)
        todo |= names(written[table], "inputs") - reached if table in written else set()
    assert f"{told.settings.landing_zone}/daily_activity.csv" in reached
    assert f"{database}.raw.sleep" in reached


def test_models_have_columns_rows_and_what_tests_found(told: Told) -> None:
    events = events_of(told.catalogue)
    (mart,) = events[f"{JOB}.dbt_build.fct_user_day"]["COMPLETE"]["outputs"]
    assert mart["facets"]["datasetType"]["datasetType"] == "TABLE"
    assert mart["outputFacets"]["outputStatistics"]["rowCount"] > 0
    assert {"name": "user_id", "type": "bigint", "fields": []} in mart["facets"]["schema"]["fields"]
    (view,) = events[f"{JOB}.dbt_build.fct_user_day_baseline"]["COMPLETE"]["outputs"]
    assert view["facets"]["datasetType"]["datasetType"] == "VIEW"
    assert "outputStatistics" not in view["outputFacets"]
    tested = {
        dataset["name"]: dataset["inputFacets"]["dataQualityAssertions"]["assertions"]
        for dataset in events[f"{JOB}.dbt_build"]["COMPLETE"]["inputs"]
    }
    found = tested[view["name"]]
    assert ("unique_grain", True) in {(assertion["assertion"], assertion["success"]) for assertion in found}


def test_neither_persons_nor_secrets_leave_the_house(told: Told) -> None:
    assert {request.headers["authorization"] for request in told.catalogue.requests} == {f"Bearer {API_KEY}"}
    for request in told.catalogue.requests:
        for planted in PLANTED:
            assert planted.encode() not in request.body
    assert API_KEY not in json.dumps(told.lines)


def test_a_run_that_finds_nothing_new_tells_of_no_datasets(configured: Configured) -> None:
    with serve(Service()) as catalogue:
        settings = configured(OPENLINEAGE_URL=catalogue.url)
        Path(settings.landing_zone, "sleep.csv").write_bytes(sleep(1))
        assert runner.run(settings, "ingest").exit_code == 0
        assert f"{JOB}.ingest.sleep" in events_of(catalogue)
        catalogue.requests.clear()
        assert runner.run(settings, "ingest").exit_code == 0
        events = events_of(catalogue)
    assert {name: set(states) for name, states in events.items()} == {JOB: {"START", "COMPLETE"}}
    assert events[JOB]["START"]["job"]["namespace"] == "default"
    assert "parent" not in events[JOB]["START"]["run"]["facets"]


def test_a_run_that_is_interrupted_is_aborted(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_arguments: object, **_options: object) -> None:
        raise Interrupted(15)

    monkeypatch.setattr("ingestion.transform.build", interrupted)
    with serve(Service()) as catalogue:
        assert runner.run(configured(OPENLINEAGE_URL=catalogue.url), "transform").exit_code == 143
        events = events_of(catalogue)
    assert {name: set(states) for name, states in events.items()} == {
        JOB: {"START", "ABORT"},
        f"{JOB}.dbt_build": {"START", "ABORT"},
    }
    assert "SIGTERM" in events[JOB]["ABORT"]["run"]["facets"]["errorMessage"]["message"]


@pytest.mark.parametrize("kind", ["down", "hangs", "500"])
def test_a_server_that_fails_costs_seconds_and_nothing_else(
    configured: Configured, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("ingestion.lineage.delivery._STALLED_SECONDS", 1.0)
    lines = StringIO()
    log.configure("json", lines)
    with serve(Service(ANSWERS[kind])) as catalogue:
        settings = configured(OPENLINEAGE_URL="http://127.0.0.1:9" if kind == "down" else catalogue.url)
        Path(settings.landing_zone, "sleep.csv").write_bytes(sleep(1))
        started = time.monotonic()
        run = runner.run(settings, "ingest")
        assert time.monotonic() - started < run.duration_seconds + 3
    assert run.exit_code == 0
    (warning,) = [json.loads(line) for line in lines.getvalue().splitlines() if '"warning"' in line]
    assert "lineage" in warning["message"]


def test_a_server_that_is_slow_is_waited_for_while_events_arrive(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.lineage.delivery._STALLED_SECONDS", 0.5)
    with serve(Service(Answer(after=0.2))) as catalogue:
        settings = configured(OPENLINEAGE_URL=catalogue.url)
        Path(settings.landing_zone, "sleep.csv").write_bytes(sleep(1))
        assert runner.run(settings, "ingest").exit_code == 0
        assert set(events_of(catalogue)[JOB]) == {"START", "COMPLETE"}


def test_a_file_of_settings_is_enough_and_its_secrets_are_hidden(
    configured: Configured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    events, config = tmp_path / "events.json", tmp_path / "openlineage.yml"
    config.write_text(
        f"transport: {{type: file, log_file_path: {events}, append: true, auth: {{type: api_key, apiKey: {API_KEY}2}}}}"
    )
    assert runner.run(configured(OPENLINEAGE_CONFIG=str(config)), "migrate").exit_code == 0
    assert [json.loads(line)["eventType"] for line in events.read_text().splitlines()] == ["START", "COMPLETE"]
    assert log.redact(f"{API_KEY}2") == "***"


def test_settings_that_say_nowhere_are_a_warning(configured: Configured, tmp_path: Path) -> None:
    lines = StringIO()
    log.configure("json", lines)
    config = tmp_path / "openlineage.yml"
    config.write_text("facets: {environment_variables: [HOME]}")
    assert runner.run(configured(OPENLINEAGE_CONFIG=str(config)), "migrate").exit_code == 0
    assert "no lineage: ConfigurationError: no setting says where to send events" in lines.getvalue()


def test_many_files_are_told_of_as_folders_and_many_folders_as_the_landing_zone(settings: Settings) -> None:
    told = datasets.Datasets(replace(settings, data_dir="s3://bucket/drops"))

    def files(*names: str) -> list[FileResult]:
        return [FileResult(name, "sleep", "loaded", Counts(read=2, loaded=2), size=10) for name in names]

    (one,) = told.files(files("a/sleep.csv"))
    assert (one.namespace, one.name) == ("s3://bucket", "drops/a/sleep.csv")
    by_folder = told.files(files(*(f"{number % 2}/sleep_{number}.csv" for number in range(101))))
    assert [each.name for each in by_folder] == ["drops/0", "drops/1"]
    (everything,) = told.files(files(*(f"{number}/sleep.csv" for number in range(101))))
    assert everything.name == "drops"
    assert everything.inputFacets is not None
    assert everything.inputFacets["inputStatistics"].fileCount == 101  # type: ignore[attr-defined]


def test_a_parent_that_cannot_be_one_is_a_warning(configured: Configured) -> None:
    lines = StringIO()
    log.configure("json", lines)
    settings = configured(OPENLINEAGE_URL="http://127.0.0.1:9", OPENLINEAGE_PARENT_ID="airflow/nightly")
    assert runner.run(settings, "migrate").exit_code == 0
    assert "no lineage: ConfigurationError: OPENLINEAGE_PARENT_ID" in lines.getvalue()

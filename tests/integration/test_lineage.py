"""A catalogue receives the lineage of a run, and a catalogue that fails does not change the run."""

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
from tests.observed import ANSWERS, API_KEY, PARENT_RUN, PLANTED, ObservedRun

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
    """Return settings with lineage from these variables."""

    def configured(**variables: str) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return replace(settings, lineage=Settings.from_environment(variables).lineage)

    return configured


def events_of(catalogue: Service) -> Events:
    """Return the events by job and state."""
    events: Events = defaultdict(dict)
    for body in catalogue.bodies("/api/v1/lineage"):
        event = json.loads(body)
        events[event["job"]["name"]][event["eventType"]] = event
    return events


def names(event: Event, which: str) -> set[str]:
    return {dataset["name"] for dataset in event[which]}


def test_each_event_fits_the_classes_of_the_client(observed_run: ObservedRun) -> None:
    bodies = observed_run.catalogue.bodies("/api/v1/lineage")
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


def test_each_job_starts_and_ends_and_names_its_parent(observed_run: ObservedRun) -> None:
    events = events_of(observed_run.catalogue)
    assert {name: set(states) for name, states in events.items() if "dbt_build." not in name} == {
        JOB: {"START", "FAIL"},
        f"{JOB}.ingest": {"START", "FAIL"},
        f"{JOB}.ingest.sleep": {"START", "FAIL"},
        f"{JOB}.ingest.daily_activity": {"START", "COMPLETE"},
        f"{JOB}.dbt_build": {"START", "COMPLETE"},
    }
    assert events[JOB]["START"]["run"]["runId"] == str(observed_run.run.run_id)
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
            expected = events_of(observed_run.catalogue)[above]["START"]["run"]["runId"] if above else PARENT_RUN
            assert parent["run"]["runId"] == expected


def test_an_ingest_connects_files_to_their_table(observed_run: ObservedRun) -> None:
    event = events_of(observed_run.catalogue)[f"{JOB}.ingest.daily_activity"]["COMPLETE"]
    (file,), (table,) = event["inputs"], event["outputs"]
    assert (file["namespace"], file["name"]) == ("file", f"{observed_run.settings.landing_zone}/daily_activity.csv")
    assert file["inputFacets"]["inputStatistics"]["rowCount"] == 2
    assert file["inputFacets"]["inputStatistics"]["size"] > 100
    assert table["namespace"].startswith("postgres://")
    assert table["name"] == f"{observed_run.settings.known_database.parameters['dbname']}.raw.daily_activity"
    assert table["outputFacets"]["outputStatistics"]["rowCount"] == 2
    fields = {field["name"]: field["type"] for field in table["facets"]["schema"]["fields"]}
    assert fields["user_id"] == "text"


def test_rejected_rows_and_refused_files_have_a_reason(observed_run: ObservedRun) -> None:
    event = events_of(observed_run.catalogue)[f"{JOB}.ingest.sleep"]["FAIL"]
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


def test_lineage_is_unbroken_from_files_to_marts(observed_run: ObservedRun) -> None:
    events = events_of(observed_run.catalogue)
    written = {
        name: event for states in events.values() for event in states.values() for name in names(event, "outputs")
    }
    database = observed_run.settings.known_database.parameters["dbname"]
    reached, todo = set(), {f"{database}.marts.rpt_cohort_engagement"}
    while todo:
        table = todo.pop()
        reached.add(table)
        todo |= names(written[table], "inputs") - reached if table in written else set()
    assert f"{observed_run.settings.landing_zone}/daily_activity.csv" in reached
    assert f"{database}.raw.sleep" in reached


def test_models_have_columns_rows_and_test_results(observed_run: ObservedRun) -> None:
    events = events_of(observed_run.catalogue)
    (mart,) = events[f"{JOB}.dbt_build.fct_user_day"]["COMPLETE"]["outputs"]
    assert mart["facets"]["datasetType"]["datasetType"] == "TABLE"
    assert mart["outputFacets"]["outputStatistics"]["rowCount"] > 0
    assert {"name": "user_id", "type": "text", "fields": []} in mart["facets"]["schema"]["fields"]
    (view,) = events[f"{JOB}.dbt_build.fct_user_day_baseline"]["COMPLETE"]["outputs"]
    assert view["facets"]["datasetType"]["datasetType"] == "VIEW"
    assert "outputStatistics" not in view["outputFacets"]
    tested = {
        dataset["name"]: dataset["inputFacets"]["dataQualityAssertions"]["assertions"]
        for dataset in events[f"{JOB}.dbt_build"]["COMPLETE"]["inputs"]
    }
    found = tested[view["name"]]
    assert ("unique_grain", True) in {(assertion["assertion"], assertion["success"]) for assertion in found}


def test_events_contain_no_personal_data_and_no_secrets(observed_run: ObservedRun) -> None:
    assert {request.headers["authorization"] for request in observed_run.catalogue.requests} == {f"Bearer {API_KEY}"}
    for request in observed_run.catalogue.requests:
        for planted in PLANTED:
            assert planted.encode() not in request.body
    assert API_KEY not in json.dumps(observed_run.lines)


def test_a_run_without_new_files_sends_no_datasets(configured: Configured) -> None:
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


def test_an_interrupted_run_is_aborted(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_failing_catalogue_only_delays_the_run(
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


def test_the_run_waits_for_a_slow_catalogue_while_events_arrive(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.lineage.delivery._STALLED_SECONDS", 0.5)
    with serve(Service(Answer(after=0.2))) as catalogue:
        settings = configured(OPENLINEAGE_URL=catalogue.url)
        Path(settings.landing_zone, "sleep.csv").write_bytes(sleep(1))
        assert runner.run(settings, "ingest").exit_code == 0
        assert set(events_of(catalogue)[JOB]) == {"START", "COMPLETE"}


def test_a_settings_file_is_enough_and_its_secrets_are_hidden(
    configured: Configured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    events, config = tmp_path / "events.json", tmp_path / "openlineage.yml"
    config.write_text(
        f"transport: {{type: file, log_file_path: {events}, append: true, auth: {{type: api_key, apiKey: {API_KEY}2}}}}"
    )
    assert runner.run(configured(OPENLINEAGE_CONFIG=str(config)), "migrate").exit_code == 0
    assert [json.loads(line)["eventType"] for line in events.read_text().splitlines()] == ["START", "COMPLETE"]
    assert log.redact(f"{API_KEY}2") == "***"


def test_settings_without_a_transport_are_a_warning(configured: Configured, tmp_path: Path) -> None:
    lines = StringIO()
    log.configure("json", lines)
    config = tmp_path / "openlineage.yml"
    config.write_text("facets: {environment_variables: [HOME]}")
    assert runner.run(configured(OPENLINEAGE_CONFIG=str(config)), "migrate").exit_code == 0
    assert "no lineage: ConfigurationError: no setting says where to send events" in lines.getvalue()


def test_many_files_are_grouped_by_folder_and_many_folders_as_the_landing_zone(settings: Settings) -> None:
    described = datasets.Datasets(replace(settings, data_dir="s3://bucket/drops"))

    def files(*names: str) -> list[FileResult]:
        return [FileResult(name, "sleep", "loaded", Counts(read=2, loaded=2), size=10) for name in names]

    (one,) = described.files(files("a/sleep.csv"))
    assert (one.namespace, one.name) == ("s3://bucket", "drops/a/sleep.csv")
    by_folder = described.files(files(*(f"{number % 2}/sleep_{number}.csv" for number in range(101))))
    assert [each.name for each in by_folder] == ["drops/0", "drops/1"]
    (everything,) = described.files(files(*(f"{number}/sleep.csv" for number in range(101))))
    assert everything.name == "drops"
    assert everything.inputFacets is not None
    assert everything.inputFacets["inputStatistics"].fileCount == 101  # type: ignore[attr-defined]


def test_an_invalid_parent_is_a_warning(configured: Configured) -> None:
    lines = StringIO()
    log.configure("json", lines)
    settings = configured(OPENLINEAGE_URL="http://127.0.0.1:9", OPENLINEAGE_PARENT_ID="airflow/nightly")
    assert runner.run(settings, "migrate").exit_code == 0
    assert "no lineage: ConfigurationError: OPENLINEAGE_PARENT_ID" in lines.getvalue()

"""What a release contains: the marts as they are, described, and the same bytes for the same state."""

import csv
import json
import re
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from frictionless import Package

from ingestion import release, runner
from ingestion.report import pseudonym
from tests.integration.release.conftest import TELLING, Study

POSTGRES_TO_DUCKDB = {
    "text": "VARCHAR",
    "boolean": "BOOLEAN",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "double precision": "DOUBLE",
    "numeric(5, 4)": "DOUBLE",
    "date": "DATE",
    "timestamp without time zone": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMP WITH TIME ZONE",
}


def listed(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def tables(folder: Path, form: str = "csv") -> list[str]:
    return sorted(path.stem for path in folder.glob(f"data/*.{form}"))


def test_every_mart_is_in_it_and_with_staging_every_staging_model(study: Study, tmp_path: Path) -> None:
    relations = study.rows(
        "select schemaname || '.' || viewname from pg_views where schemaname in ('marts', 'staging') union all "
        "select schemaname || '.' || tablename from pg_tables where schemaname in ('marts', 'staging')"
    )
    built = sorted(name.partition(".")[2] for (name,) in relations if not name.endswith("_model_state"))
    assert tables(study.release) == tables(study.release, "parquet") == built
    study.write(tmp_path / "marts", release.Wanted(formats=("csv",)))
    assert tables(tmp_path / "marts") == [name for name in built if not name.startswith("stg_")]
    assert tables(tmp_path / "marts", "parquet") == []


def test_the_figures_are_those_of_the_marts(study: Study) -> None:
    names = pseudonyms(study)
    for table in ("fct_user_day", "fct_user_status", "dim_participant", "rpt_cohort_engagement"):
        header, *_ = (study.release / "data" / f"{table}.csv").read_text().splitlines()
        found = study.rows(f"select {header} from marts.{table}")
        expected = sorted(tuple(names.get(value, text(value)) for value in row) for row in found)
        with (study.release / "data" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
        # a device that its owner named
        shown = [tuple(re.sub(r"^device \w{4}-\w{4}$", TELLING[0], value) for value in row) for row in rows]
        assert sorted(shown) == expected, table


def pseudonyms(study: Study) -> dict[str, str]:
    rows = study.rows(
        "select user_id, sha256(key || convert_to(user_id, 'UTF8')) from marts.dim_participant, ops.report_key"
    )
    return {user_id: pseudonym.encode(bytes(digest)) for user_id, digest in rows}


def text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return re.sub(r"\.0$", "", repr(value))
    return value.isoformat() if isinstance(value, date) else str(value)


def test_another_library_reads_the_parquet_files_with_the_right_types(study: Study) -> None:
    codebook = [row for row in listed(study.release / "codebook.csv") if row["column"]]
    for table in tables(study.release, "parquet"):
        path = study.release / "data" / table
        parquet, rows = f"'{path}.parquet'", f"read_csv('{path}.csv', all_varchar = true, header = true)"
        types = {
            name: kind for name, kind, *_ in duckdb.connect().execute(f"describe select * from {parquet}").fetchall()
        }
        expected = {row["column"]: POSTGRES_TO_DUCKDB[row["type"]] for row in codebook if row["table"] == table}
        assert types == expected, table
        columns = ", ".join(f'cast("{name}" as {kind}) as "{name}"' for name, kind in types.items())
        as_csv = duckdb.connect().execute(f"select {columns} from {rows}").fetchall()
        assert duckdb.connect().execute(f"select * from {parquet}").fetchall() == as_csv, table


def test_pandas_reads_dates_numbers_and_gaps(study: Study) -> None:
    days = duckdb.connect().execute(f"select * from '{study.release}/data/fct_user_day.parquet'").df()
    assert isinstance(days, pd.DataFrame)
    assert days["activity_date"].dt.year.unique().tolist() == [2026]
    ((count, total, gaps),) = study.rows("select count(*), sum(steps), count(*) - count(steps) from marts.fct_user_day")
    assert (len(days), days["steps"].sum(), days["steps"].isna().sum()) == (count, total, gaps)


def test_frictionless_finds_the_description_and_the_data_valid(study: Study) -> None:
    package = Package.from_descriptor(str(study.release / "datapackage.json"))
    described = {resource.path for resource in package.resources}
    others = {"flow.csv", "files.csv", "cut_offs.csv", "codebook.csv"}
    assert described == {name for name in contents(study.release) if name.startswith("data/")} | others
    for resource in list(package.resources):
        # it reads whole numbers from Parquet as floats
        if resource.format == "parquet":
            package.remove_resource(resource.name)
    report = package.validate()
    assert report.valid, report.flatten(["name", "type", "message"])[:5]
    checked = {task.name: task.stats.get("rows") for task in report.tasks}
    assert checked["fct_user_day"] == study.rows("select count(*) from marts.fct_user_day")[0][0]


def test_frictionless_would_find_a_wrong_status_a_stranger_and_a_gap(study: Study, tmp_path: Path) -> None:
    study.write(tmp_path / "broken", release.Wanted(formats=("csv",)))
    path = tmp_path / "broken" / "data" / "fct_user_status.csv"
    lines = path.read_text().splitlines()
    first = lines[1].split(",")
    lines[1] = ",".join(["0000-0000", first[1], "splendid", *first[3:]])
    lines[2] = "," + lines[2].partition(",")[2]
    path.write_text("\n".join(lines) + "\n")
    report = Package.from_descriptor(str(tmp_path / "broken" / "datapackage.json")).validate()
    kinds = {kind for (kind,) in report.flatten(["type"])}
    assert {"hash-count", "constraint-error", "foreign-key"} <= kinds


def test_the_keys_that_the_description_states_are_true(study: Study) -> None:
    package = json.loads((study.release / "datapackage.json").read_text())
    keyed = [each for each in package["resources"] if each.get("schema", {}).get("primaryKey")]
    marts = {name for name in tables(study.release) if not name.startswith("stg_")}
    assert marts <= {each["name"] for each in keyed}
    for each in keyed:
        rows = listed(study.release / each["path"])
        keys = [tuple(row[name] for name in each["schema"]["primaryKey"]) for row in rows]
        assert len(set(keys)) == len(keys), each["name"]
    referring = {each["name"] for each in package["resources"] if each.get("schema", {}).get("foreignKeys")}
    assert {"fct_user_day", "fct_user_status", "fct_user_day_deviation"} <= referring
    assert "dim_participant" not in referring


def test_the_same_state_gives_the_same_bytes(study: Study, tmp_path: Path) -> None:
    study.write(tmp_path / "again", release.Wanted(with_staging=True))
    assert contents(tmp_path / "again") == contents(study.release)
    unrelated = runner.run(study.settings)
    assert unrelated.exit_code == 0, unrelated.error_summary
    study.write(tmp_path / "later", release.Wanted(with_staging=True))
    assert contents(tmp_path / "later") == contents(study.release)


def test_it_names_no_time_but_those_of_the_data(study: Study) -> None:
    known = {
        *(row[0] for row in study.rows("select ingested_at from ops.raw_ingest_manifest")),
        *(row[0] for row in study.rows("select checked_at from marts.fct_data_quality")),
    }
    today = datetime.now(UTC).date().isoformat()
    for name, data in contents(study.release).items():
        if not name.endswith(".parquet"):
            for found in re.findall(rf"{today}[T ][\d:.]+", data.decode()):
                assert datetime.fromisoformat(found).replace(tzinfo=UTC) in known, name


def test_sha256sum_checks_it(study: Study) -> None:
    checked = subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"], cwd=study.release, capture_output=True, text=True, check=True
    )
    lines = checked.stdout.splitlines()
    assert all(line.endswith(": OK") for line in lines)
    assert len(lines) == len(contents(study.release)) - 1
    assert "sha256sum -c SHA256SUMS" in (study.release / "README.md").read_text()


def test_every_column_is_described_and_every_number_has_a_unit(study: Study) -> None:
    rows = listed(study.release / "codebook.csv")
    assert [row for row in rows if not row["description"]] == []
    numbers = [row for row in rows if re.match("smallint|integer|bigint|double|numeric|real", row["type"])]
    assert [f"{row['table']}.{row['column']}" for row in numbers if not row["unit"]] == []
    for table in tables(study.release):
        header = (study.release / "data" / f"{table}.csv").open(encoding="utf-8").readline().strip().split(",")
        assert [row["column"] for row in rows if row["table"] == table and row["column"]] == header


def test_the_codebook_has_the_words_of_the_catalogue(study: Study) -> None:
    said = dict(
        study.rows(
            "select c.relname || '.' || a.attname, col_description(c.oid, a.attnum) from pg_class as c "
            "inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped "
            "where c.relnamespace = 'marts'::regnamespace"
        )
    )
    for row in listed(study.release / "codebook.csv"):
        if row["column"] not in {"", "user_id"} and not row["table"].startswith("stg_"):
            assert row["description"] == " ".join(said[f"{row['table']}.{row['column']}"].split())


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("fct_user_day.calories", {"unit": "kcal"}),
        ("fct_user_day.sleep_efficiency", {"unit": "1", "minimum": "0", "maximum": "1"}),
        ("fct_user_day.wear_source", {"values": "heart_rate; hours_with_steps; steps"}),
        ("fct_user_day.activity_date", {"type": "date", "is_key": "true", "is_required": "true"}),
        ("fct_user_day.is_valid_day", {"cut_offs": "max_steps = 45000; min_steps = 100"}),
        ("fct_user_day_deviation.value", {"unit": "that of the metric"}),
        ("dim_participant.enrolled_days", {"unit": "days", "minimum": "0"}),
        ("rpt_cohort_engagement.pct", {"unit": "%", "cut_offs": "min_share_users = 10"}),
    ],
)
def test_the_codebook_says_what_a_column_is(study: Study, column: str, expected: dict[str, str]) -> None:
    (row,) = (row for row in listed(study.release / "codebook.csv") if f"{row['table']}.{row['column']}" == column)
    assert {name: row[name] for name in expected} == expected


def test_the_allowed_values_are_all_that_there_are(study: Study) -> None:
    said = {
        (row["table"], row["column"]): set(row["values"].split("; "))
        for row in listed(study.release / "codebook.csv")
        if row["values"]
    }
    assert ("fct_user_status", "status") in said
    for (table, column), values in said.items():
        found = {row[column] for row in listed(study.release / "data" / f"{table}.csv")} - {""}
        assert found <= values, f"{table}.{column}"


def test_the_cut_offs_are_those_in_force(study: Study) -> None:
    rows = {row["name"]: row for row in listed(study.release / "cut_offs.csv")}
    expected = {"name": "min_steps", "value": "100", "default": "100", "is_changed": "false"}
    assert {name: rows["min_steps"][name] for name in expected} == expected
    assert "fct_user_status" in rows["cusum_on"]["tables"].split("; ")
    assert [row["name"] for row in rows.values() if not row["tables"]] == ["raw_schema", "schema_prefix", "work_mem"]
    assert "fct_user_day" not in rows["cusum_on"]["tables"].split("; ")
    assert "fct_user_day" in rows["min_wear_minutes"]["tables"].split("; "), "through a macro"
    assert "rpt_flow" in rows["max_steps"]["tables"].split("; "), "through the models that it reads"


def test_the_flow_is_in_the_order_of_its_steps(study: Study) -> None:
    flow = listed(study.release / "flow.csv")
    assert flow[0]["step"] == "known"
    assert len(flow) == study.rows("select count(*) from marts.rpt_flow")[0][0]


def test_the_files_are_those_of_the_manifest(study: Study) -> None:
    files = {row["file_id"]: row for row in listed(study.release / "files.csv")}
    for file_id, checksum, status, read, loaded in study.rows(
        "select file_id, checksum, status, rows_read, row_count from ops.raw_ingest_manifest"
    ):
        row = files.pop(str(file_id))
        assert (row["sha256"], row["status"], row["rows_read"], row["rows_loaded"]) == (
            *(checksum, status),
            *(str(read), str(loaded)),
        )
    assert not files

"""Hostile input, as docs/security.md lists it. Tests that hold other lines of that page are elsewhere."""

import io
import json
import os
import subprocess
import sys
import time
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ingestion import embedded, landing
from ingestion.cli import commands
from ingestion.config import ROOT, Settings
from ingestion.formats.separate import command_of
from ingestion.sources import person_in
from ingestion.storage import LocalStorage, open_storage
from tests.apple import HEART_RATE, export, record
from tests.drops import SLEEP_HEADER, Invoke, Landing, sleep
from tests.unit.test_formats import workbook

INJECTIONS = (
    "'; drop table raw.sleep; --",
    '"); drop table raw.sleep; --',
    "$$; drop table raw.sleep; $$",
    "%s%(x)s{0}{table}",
    "\\'; drop table raw.sleep; --",
    ":target_schema",
)


@pytest.mark.parametrize("injection", INJECTIONS)
def test_no_name_and_no_header_is_run_as_sql(injection: str, landing: Landing, invoke: Invoke) -> None:
    name = f"{injection}/sleep.csv"
    quoted = injection.replace('"', '""')
    header = f'{SLEEP_HEADER},"{quoted}"\n'
    rows = f'1,4/12/2016,1,327,346,"{quoted}"\n2,4/12/2016,1,many,346,"{quoted}"\n3,4/12/2016,1,1,1,x\n'
    landing.put(name, (header + rows).encode())
    landing.put("sleep.csv", sleep(4))
    assert invoke("ingest") == 0
    assert landing.users() == [1, 3, 4]
    (extra,) = landing.rows("select _extra::text from raw.sleep where user_id = '1'")[0]
    assert json.loads(extra) == {injection: injection}
    for arguments in (
        ["rejected", "show", name],
        ["rejected", "export", name],
        ["rejected", "replay", name],
        ["files", injection, "--dataset", injection],
        ["status"],
        ["ls"],
        ["retract", "--reason", injection, name],
    ):
        invoke(*arguments)
    assert landing.users() == [4]
    landing.check()


@pytest.mark.parametrize("schema", ["'; drop table raw.sleep; --", "$$x", "a.b", "select"])
def test_no_schema_is_run_as_sql(schema: str, landing: Landing, invoke: Invoke) -> None:
    landing.put("sleep.csv", sleep(1))
    assert invoke("ingest") == 0
    assert invoke("ingest", "--schema", schema) == 0
    assert invoke("status", "--schema", schema) == 0
    assert landing.users() == landing.users(f'"{schema}".sleep') == [1]


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "member", ["../../../sleep.csv", "/etc/sleep.csv", "a\\..\\..\\sleep.csv", "a/../../sleep.csv"]
)
def test_nothing_is_written_where_a_member_of_an_archive_says(
    member: str, landing: Landing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(landing.root)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(member, sleep(1))
    landing.put("a/sleep.zip", packed.getvalue())
    before = files_in(tmp_path)
    assert landing.statuses() == {"a/sleep.zip": "loaded"}
    assert files_in(tmp_path) == before
    assert not Path("/etc/sleep.csv").exists()


def test_land_and_user_id_lead_nowhere_else(tmp_path: Path) -> None:
    zone, folder = tmp_path / "zone", tmp_path / "user_id=.." / "x" / ".." / "x"
    zone.mkdir()
    folder.parent.parent.mkdir(parents=True)
    storage = open_storage(str(zone))
    for name in ("sleep.csv", "sleep..csv", "a%2F..%2F..%2Fsleep.csv", "user_id=..sleep.csv", "user_id=7 sleep.csv"):
        source = folder / name
        source.write_bytes(sleep(1))
        landed = landing.land(storage, source, date(2026, 1, 1))
        assert (zone / landed.name).resolve().is_relative_to(zone)
    for name in ("user_id=../../x/sleep.csv", "user_id=-1/x.csv", "user_id=1;drop/x.csv", "user_id=x/x.csv"):
        assert person_in(name) in {None, "..", "-1", "1;drop", "x"}, name
    assert [file.name for file in LocalStorage(zone).list()] == sorted(file.name for file in LocalStorage(zone).list())


SECRET = "the content of a file that is none of the sender's business"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.txt"
    path.write_text(SECRET)
    return path


def test_an_export_of_apple_health_reads_no_other_file(landing: Landing, secret: Path) -> None:
    plain = export(record(HEART_RATE, "10:00:00", "10:00:00", "60")).decode()
    head, _, body = plain.partition("<HealthData")
    for doctype in (f'<!ENTITY x SYSTEM "{secret.as_uri()}">', f'<!ENTITY l0 "ha">{LAUGHS}<!ENTITY x "&l11;">'):
        content = f"{head.split('<!DOCTYPE')[0]}<!DOCTYPE HealthData [{doctype}]><HealthData{body}".replace(
            '"60"', '"&x;"'
        )
        landing.put("user_id=7/export.xml", content.encode())
        began = time.monotonic()
        (*results,) = landing.ingest().files
        assert time.monotonic() - began < 20
        assert results
        assert SECRET not in str(results)
        for table in ("ops.rejected_rows", "raw.heart_rate"):
            assert SECRET not in str(landing.rows(f"select t::text from {table} as t"))


def test_a_spreadsheet_reads_no_other_file(landing: Landing, secret: Path) -> None:
    row = '<row r="1"><c r="A1" t="str"><v>&x;</v></c></row>'
    for doctype in (f'<!ENTITY x SYSTEM "{secret.as_uri()}">', f'<!ENTITY l0 "ha">{LAUGHS}<!ENTITY x "&l11;">'):
        content = io.BytesIO(workbook(row))
        changed = io.BytesIO()
        with zipfile.ZipFile(content) as source, zipfile.ZipFile(changed, "w") as target:
            for member in source.namelist():
                text = source.read(member)
                if member.endswith("sheet1.xml"):
                    text = f"<!DOCTYPE worksheet [{doctype}]>".encode() + text
                target.writestr(member, text)
        landing.put("sleep.xlsx", changed.getvalue())
        (result,) = landing.ingest().files
        assert result.status == "refused"
        assert SECRET not in str(result)


def test_no_command_line_has_a_secret(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other users can read command lines, but not the environment of a process."""
    password = "planted-password"
    database = settings.known_database
    monkeypatch.setenv("DATABASE_URL", f"postgresql://ada:{password}@localhost:1/x")
    for name in ("PGHOST", "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)
    started: list[tuple[Any, Any]] = []

    def note(command: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        started.append((command, options["env"]))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", note)
    monkeypatch.setattr(embedded, "psql", lambda: "psql")
    assert commands.main(["psql", "-c", "select 1"]) == 0
    ((command, environment),) = started
    assert password not in " ".join(map(str, command))
    assert environment["PGPASSWORD"] == password
    assert command_of("parquet_process", 1) == (sys.executable, "-m", "ingestion.formats.parquet_process", "1")
    assert database.secret is None or database.secret not in str(command)


def test_the_processes_of_a_run_have_no_secret_in_their_command_lines(landing: Landing, settings: Settings) -> None:
    landing.put("sleep.csv", sleep(1))
    planted = {"PIPELINE_ERASURE_KEY": "planted-erasure-key", "PIPELINE_ALERT_SMTP_PASSWORD": "planted-smtp-password"}
    environment = {**os.environ, **settings.known_database.environment, **planted}
    command = [sys.executable, "-m", "ingestion", "run", "--use-manifest", "--data-dir", str(landing.root)]
    seen: set[str] = set()
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        while run.poll() is None:
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue
            time.sleep(0.05)
    assert any("-m ingestion run" in line for line in seen)
    assert not [line for line in seen for secret in planted.values() if secret in line]

"""`follow-up`: the list on a terminal, in files, and in REDCap's import layout, which a strict reader reads back."""

import csv
import io
import json
import re
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ingestion import db, follow_up, report
from ingestion.cli import follow_up as command
from ingestion.cli import redcap
from ingestion.errors import UsageError
from tests.drops import Invoke, Landing
from tests.follow_up import AS_OF, days_ago, entry, write_marts
from tests.integration.test_follow_up import show

Capture = pytest.CaptureFixture[str]

PEOPLE = (
    entry(
        "P01",
        "not_synchronising",
        arm="intervention",
        site="Vienna",
        certainty="counted",
        cause="battery_low",
        last_sync_date=days_ago(11),
        last_valid_date=days_ago(11),
        last_worn_date=days_ago(11),
        last_record_date=days_ago(11),
        battery_percent=9,
        battery_state="Low",
        battery_read_date=days_ago(11),
        usual_steps=12345.5,
        recent_steps=8901.0,
    ),
    entry("P02", "never_started", arm="control", site="Graz", certainty="counted", cause="unknown"),
    entry("P03", "wearing_less", wearing_less_by="no_valid_day", arm="control", site="Vienna", cause="not_worn"),
    entry(
        "P04", "moving_less", certainty="clear", since_date=date(2025, 12, 30), usual_steps=9000.0, recent_steps=61.0
    ),
)


@pytest.fixture
def listed(engine: db.Engine) -> db.Engine:
    """A database with a list, compared with one of a week before: P01 and P04 are new, P09 is well again."""
    earlier = entry("P04", "wearing_less", wearing_less_by="fewer_days")
    write_marts(engine, PEOPLE[1], PEOPLE[2], earlier, entry("P09", "stopped"), as_of_date=days_ago(7))
    show(engine)
    write_marts(
        engine, *PEOPLE, statuses={"P05": "stable", "P09": "increasing"}, roster=[f"P0{n}" for n in range(1, 10)]
    )
    return engine


def said(invoke: Invoke, capsys: Capture, *arguments: str) -> str:
    capsys.readouterr()
    assert invoke("follow-up", *arguments) == 0
    return capsys.readouterr().out


def names(engine: db.Engine, *user_ids: str) -> list[str]:
    with db.session(engine) as connection:
        known = report.pseudonyms_of(connection, user_ids)
    return [known[user_id] for user_id in user_ids]


@pytest.mark.usefixtures("listed")
def test_the_table_says_who_why_and_what_is_new(invoke: Invoke, capsys: Capture) -> None:
    text = said(invoke, capsys, "--with-user-ids")
    lines = {line.split()[1] if line.startswith("new") else line.split()[0]: line for line in text.splitlines() if line}
    assert f"To call, as of {AS_OF}: 4 participants, 2 of them new since the report of {days_ago(7)}." in text
    assert re.search(
        r"^new P01 +not synchronising +intervention +Vienna +17.Apr +battery low \(9%\) +counted +16.Apr +16.Apr +"
        r"12,346 +8,901$",
        lines["P01"].rstrip(),
    )
    assert "never started" in lines["P02"]
    assert "wearing less: no valid day" in lines["P03"]
    assert "2025-12-30" in lines["P04"], "a day of another year has its year"
    assert "Not known for 1 participant: no synchronisation data of them are loaded" in text
    assert "do not tell person and device apart" not in text
    assert f"No longer on the list since {days_ago(7)}: P09 (stopped; now increasing)." in text


def test_participants_have_the_pseudonyms_of_the_report(listed: db.Engine, invoke: Invoke, capsys: Capture) -> None:
    shown = [said(invoke, capsys), said(invoke, capsys, "--format", "csv"), said(invoke, capsys, "--format", "json")]
    for text in shown:
        assert not re.search(r"P0\d", text)
        assert all(name in text for name in names(listed, "P01", "P02", "P03", "P04"))
    assert names(listed, "P09")[0] in shown[0]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_table_fits_the_terminal_and_loses_nothing(listed: db.Engine, width: int) -> None:
    with db.session(listed) as connection:
        told = follow_up.read(connection)
    user_ids = ["P01", "P02", "P03", "P04", "P09"]
    known = dict(zip(user_ids, names(listed, *user_ids), strict=True))
    stream = io.StringIO()
    Console(file=stream, width=width).print(command._screen(command._Shown(told, told.entries, known), width))
    text = stream.getvalue()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    words = set(re.findall(r"\S+", text))
    assert "…" not in text
    assert {*known.values(), "synchronising", "never", "started", "valid", "intervention", "Vienna", "Graz", "new"} <= {
        word.strip(",.:") for word in words
    }, "no word is broken"


def test_not_known_is_said_with_its_reason(engine: db.Engine, invoke: Invoke, capsys: Capture) -> None:
    write_marts(engine, entry("P01", "stopped", cause="unknown", last_sync_date=days_ago(3)))
    text = said(invoke, capsys)
    assert "Not known for 1 participant: their last synchronisations do not tell person and device apart." in text
    assert "are loaded" not in text


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--reason", "never-started"], ["P02"]),
        (["--reason", "never-started", "--reason", "moving-less"], ["P02", "P04"]),
        (["--arm", "control"], ["P02", "P03"]),
        (["--site", "Vienna", "--arm", "control"], ["P03"]),
        (["--new"], ["P01", "P04"]),
        (["--limit", "2"], ["P01", "P02"]),
        (["--site", "Linz"], []),
    ],
)
def test_options_choose_entries(options: list[str], expected: list[str], invoke: Invoke, capsys: Capture) -> None:
    document = json.loads(said(invoke, capsys, "--format", "json", "--with-user-ids", *options))
    assert [each["participant"] for each in document["entries"]] == expected
    text = said(invoke, capsys, "--with-user-ids", *options)
    assert sorted(set(re.findall(r"P0\d", text))) == expected, (
        "who is no longer on the list is said of a whole list only"
    )
    assert f"{len(expected)} of them are shown" in text if expected else "It has 4 participants" in text


@pytest.mark.usefixtures("listed")
def test_json_and_csv_have_every_column(invoke: Invoke, capsys: Capture) -> None:
    columns = ["participant" if field.name == "user_id" else field.name for field in fields(follow_up.Entry)]
    document = json.loads(said(invoke, capsys, "--format", "json", "--with-user-ids"))
    assert document.keys() == {"as_of_date", "compared_with", "entries", "resolved"}
    assert (document["as_of_date"], document["compared_with"]) == (str(AS_OF), str(days_ago(7)))
    assert document["resolved"] == [{"participant": "P09", "reason": "stopped", "status": "increasing"}]
    first = document["entries"][0]
    assert list(first) == columns
    assert (first["position"], first["reason"], first["cause"]) == (1, "not_synchronising", "battery_low")
    assert (first["battery_percent"], first["usual_steps"], first["is_new"]) == (9, 12345.5, True)
    rows = list(csv.DictReader(io.StringIO(said(invoke, capsys, "--format", "csv", "--with-user-ids"))))
    assert [list(row) for row in rows] == [columns] * 4
    assert [row["participant"] for row in rows] == ["P01", "P02", "P03", "P04"]
    assert (rows[0]["last_sync_date"], rows[0]["usual_steps"], rows[1]["arm"]) == (
        str(days_ago(11)),
        "12345.5",
        "control",
    )


def test_no_cell_of_the_csv_is_a_formula(engine: db.Engine, invoke: Invoke, capsys: Capture) -> None:
    write_marts(engine, entry("-P1", "stopped", arm="=cmd()", site='@x,"+y"', evidence=-1.5))
    (row,) = csv.DictReader(io.StringIO(said(invoke, capsys, "--format", "csv", "--with-user-ids")))
    assert (row["participant"], row["arm"], row["evidence"]) == ("'-P1", "'=cmd()", "-1.5")
    assert row["site"].startswith("'@x")


def test_names_do_not_act_upon_the_terminal(engine: db.Engine, invoke: Invoke, capsys: Capture) -> None:
    write_marts(engine, entry("P1\x1b[2K", "stopped", arm="[red]x[/no]", site="a\nb"))
    for options in ([], ["--format", "json"]):
        text = said(invoke, capsys, "--with-user-ids", *options)
        assert "\x1b" not in text
        assert "[red]x[/no]" in text


def test_an_empty_list_is_said_in_a_sentence(engine: db.Engine, invoke: Invoke, capsys: Capture) -> None:
    write_marts(engine, entry("P01", "stopped"), as_of_date=days_ago(7))
    show(engine)
    write_marts(engine, statuses={"P01": "stable"})
    text = said(invoke, capsys, "--with-user-ids")
    assert text.startswith(f"Nobody needs a call, as of {AS_OF}.\n")
    assert "P01 (stopped; now stable)" in text
    write_marts(engine)
    assert said(invoke, capsys) == "The marts have no participants yet.\n"


def test_without_marts_it_says_how_to_build_them(invoke: Invoke, capsys: Capture) -> None:
    assert invoke("follow-up") == 1
    assert "the marts have no follow-up list" in (error := capsys.readouterr().err)
    assert "python -m ingestion transform" in error


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize("form", ["table", "csv", "json", "redcap", "redcap-dictionary"])
def test_a_file_has_what_the_terminal_has_and_is_for_its_user(
    form: str, invoke: Invoke, capsys: Capture, tmp_path: Path
) -> None:
    path = tmp_path / "list"
    expected = said(invoke, capsys, "--format", form)
    assert said(invoke, capsys, "--format", form, "--output", str(path)) == f"{path}\n"
    assert path.read_text(encoding="utf-8") == expected
    assert path.stat().st_mode & 0o777 == 0o600
    assert invoke("follow-up", "--format", form, "--output", str(tmp_path / "no folder" / "list")) == 64


NAME = re.compile(r"[a-z][a-z0-9_]*")
_BY_VALIDATION = {"": re.compile(".*"), "date_ymd": re.compile(r"\d{4}-\d\d-\d\d"), "integer": re.compile(r"-?\d+")}


class Project:
    """A project of REDCap: its fields, and the records that it has been sent. It refuses what REDCap refuses.

    Arguments:
        dictionary: the data dictionary of its instrument.
        event: the only event of a longitudinal project.

    """

    def __init__(self, dictionary: str, event: str | None = None) -> None:
        reader = csv.DictReader(io.StringIO(dictionary), strict=True)
        assert reader.fieldnames == list(redcap.DICTIONARY_COLUMNS)
        self.fields = {row["Variable / Field Name"]: row for row in reader}
        self.key = ["record_id", *(["redcap_event_name"] if event else [])]
        self.event = event
        self.records: dict[str, dict[str, str]] = {}
        for name, field in self.fields.items():
            assert NAME.fullmatch(name)
            assert len(name) <= 26
            assert field["Form Name"] == redcap.INSTRUMENT
            assert NAME.fullmatch(field["Form Name"])
            assert field["Field Label"]
            assert field["Field Type"] in {"text", "radio"}
            assert bool(self.choices(name)) == (field["Field Type"] == "radio")
            assert field["Text Validation Type OR Show Slider Number"] in _BY_VALIDATION

    def choices(self, name: str) -> dict[str, str]:
        text = self.fields[name]["Choices, Calculations, OR Slider Labels"]
        pairs = [choice.split(",", 1) for choice in text.split("|")] if text else []
        choices = {code.strip(): label.strip() for code, label in pairs}
        assert len(choices) == len(pairs)
        return choices

    def take(self, text: str) -> list[dict[str, str]]:
        """Import records; an empty value overwrites."""
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        assert reader.fieldnames is not None
        assert reader.fieldnames[: len(self.key)] == self.key, "the id of the record comes first"
        assert set(reader.fieldnames) == {*self.key, *self.fields}
        assert len(reader.fieldnames) == len(set(reader.fieldnames))
        rows = list(reader)
        for row in rows:
            assert None not in row
            assert row["record_id"]
            assert row.get("redcap_event_name") == self.event
            for name in self.fields:
                self._check(name, row[name])
            self.records[row["record_id"]] = row
        assert len({row["record_id"] for row in rows}) == len(rows)
        return rows

    def _check(self, name: str, value: str) -> None:
        validation = self.fields[name]["Text Validation Type OR Show Slider Number"]
        if not value:
            return
        if choices := self.choices(name):
            assert value in choices, (name, value)
        assert _BY_VALIDATION[validation].fullmatch(value), (name, value)
        if validation == "date_ymd":
            date.fromisoformat(value)

    def reads(self, record: str) -> dict[str, str]:
        """What a person reads of a record: the labels of codes."""
        row = self.records[record]
        return {name: self.choices(name).get(row[name], row[name]) for name in self.fields}


def redcap_of(invoke: Invoke, capsys: Capture, *options: str) -> str:
    return said(invoke, capsys, "--format", "redcap", *options)


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize("event", [None, "baseline_arm_1"])
def test_redcap_reads_the_list_back(event: str | None, invoke: Invoke, capsys: Capture) -> None:
    project = Project(said(invoke, capsys, "--format", "redcap-dictionary"), event)
    project.take(redcap_of(invoke, capsys, *(["--redcap-event", event] if event else [])))
    read = project.reads("P01")
    assert (read["fu_as_of"], read["fu_reason"], read["fu_since"]) == (
        str(AS_OF),
        "not synchronising",
        str(days_ago(10)),
    )
    assert (read["fu_cause"], read["fu_certainty"], read["fu_is_new"]) == ("battery low", "counted", "yes")
    assert (read["fu_battery_percent"], read["fu_usual_steps"], read["fu_last_sync"]) == (
        "9",
        "12346",
        str(days_ago(11)),
    )
    assert project.reads("P02")["fu_cause"] == "not known"
    assert project.reads("P03")["fu_less_by"] == "no valid day"
    assert (project.reads("P04")["fu_cause"], project.reads("P04")["fu_is_new"]) == ("", "yes")
    not_listed = {record for record in project.records if project.reads(record)["fu_reason"] == "not on the list"}
    assert not_listed == {"P05", "P06", "P07", "P08", "P09"}, "a record does not keep what is over"
    assert project.reads("P09")["fu_since"] == ""


def test_every_code_has_a_choice(engine: db.Engine, invoke: Invoke, capsys: Capture) -> None:
    """Codes stay the same for ever: projects have them."""
    every = [entry(reason, reason) for reason in follow_up.REASONS]
    every += [entry(f"c-{cause}", "stopped", cause=cause) for cause in follow_up.CAUSES]
    every += [entry(f"w-{less}", "wearing_less", wearing_less_by=less) for less in follow_up.WEARING_LESS_BY]
    every += [entry(f"y-{certainty}", "stopped", certainty=certainty) for certainty in follow_up.CERTAINTIES]
    write_marts(engine, *every, roster=[each["user_id"] for each in every])
    project = Project(said(invoke, capsys, "--format", "redcap-dictionary"))
    rows = {row["record_id"]: row for row in project.take(redcap_of(invoke, capsys))}
    codes: dict[str, dict[str, str]] = {
        "fu_reason": {reason: rows[reason]["fu_reason"] for reason in follow_up.REASONS},
        "fu_cause": {cause: rows[f"c-{cause}"]["fu_cause"] for cause in follow_up.CAUSES},
        "fu_less_by": {less: rows[f"w-{less}"]["fu_less_by"] for less in follow_up.WEARING_LESS_BY},
        "fu_certainty": {each: rows[f"y-{each}"]["fu_certainty"] for each in follow_up.CERTAINTIES},
    }
    assert codes == {
        "fu_reason": {
            "never_started": "1",
            "not_synchronising": "2",
            "stopped": "3",
            "wearing_less": "4",
            "moving_less": "5",
        },
        "fu_cause": {"not_worn": "1", "not_synchronised": "2", "battery_low": "3", "unknown": "4"},
        "fu_less_by": {"fewer_days": "1", "no_valid_day": "2", "fewer_hours": "3"},
        "fu_certainty": {"counted": "1", "clear": "2", "likely": "3", "fading": "4"},
    }


def test_who_is_not_on_the_roster_gets_no_record(engine: db.Engine, invoke: Invoke, capsys: Capture) -> None:
    write_marts(engine, *PEOPLE, roster=["P02", "P07"])
    assert invoke("follow-up", "--format", "redcap") == 0
    captured = capsys.readouterr()
    assert [row["record_id"] for row in csv.DictReader(io.StringIO(captured.out))] == ["P02", "P07"]
    assert captured.err == "left out: 3 participants not on the roster, for whom REDCap would make a record\n"
    write_marts(engine, *PEOPLE)
    assert invoke("follow-up", "--format", "redcap") == 0
    captured = capsys.readouterr()
    assert len(list(csv.DictReader(io.StringIO(captured.out)))) == 4
    assert "no roster is loaded" in captured.err


@pytest.mark.usefixtures("listed")
def test_a_part_of_the_list_says_nothing_of_others(invoke: Invoke, capsys: Capture) -> None:
    rows = csv.DictReader(io.StringIO(redcap_of(invoke, capsys, "--arm", "control", "--redcap-record-id", "study_id")))
    assert [row["study_id"] for row in rows] == ["P02", "P03"]


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize("option", ["--redcap-event", "--redcap-record-id"])
def test_a_name_that_redcap_does_not_have_is_refused(option: str, invoke: Invoke) -> None:
    assert invoke("follow-up", "--format", "redcap", option, "Baseline (Arm 1)") == UsageError.exit_code


def test_the_roster_takes_the_ids_back(engine: db.Engine, landing: Landing, invoke: Invoke, capsys: Capture) -> None:
    """REDCap's export of the project, with its own fields beside ours, is a roster with the same ids."""
    ids = ["007", "P-01", "Ä 3", "1503960366"]
    write_marts(engine, *(entry(user_id, "stopped") for user_id in ids), roster=ids)
    project = Project(said(invoke, capsys, "--format", "redcap-dictionary"))
    project.take(redcap_of(invoke, capsys))
    export = io.StringIO()
    own = {"enrollment_date": "2026-03-01", "arm": "A"}
    writer = csv.DictWriter(export, ["record_id", *own, *project.fields], lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | own for row in project.records.values())
    landing.put("participants.csv", export.getvalue().encode())
    assert landing.statuses() == {"participants.csv": "loaded"}
    found: list[tuple[Any, ...]] = landing.rows("select user_id, enrolled_on::text, arm from raw.participants")
    assert sorted(found) == sorted((user_id, "2026-03-01", "A") for user_id in ids)

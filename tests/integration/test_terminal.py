"""Names of files cannot forge lines, move the cursor or run in a spreadsheet, wherever they are printed."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from ingestion import log, tables
from ingestion.cli.cells import without_formulas
from ingestion.printable import printable, printable_json
from tests.drops import Invoke, Landing, sleep

Capture = pytest.CaptureFixture[str]

# a line of its own, a coloured line, a title of the terminal, C1's control sequence, text from right to left, markup
FORGED = "x\n12:00:00 ingest    done \x1b[2K\x1b]0;owned\x07\x9b31m\u202evsc [red]x[/] [/no].csv"
SHOWN = printable(FORGED)


def harmful(text: str) -> set[str]:
    return {character for character in text if not character.isprintable()} - {"\n"}


@pytest.fixture
def forged(landing: Landing) -> Landing:
    """A landing zone with a file of such a name: loaded, with a rejected row, refused, unknown."""
    landing.put(f"{FORGED}/sleep.csv", sleep(1) + b"1,many,1,1,1\n")
    landing.put(f"{FORGED}/sleep_2.csv", b"Id\n1\n")
    landing.put(f"{FORGED}.txt", b"unknown")
    return landing


@pytest.mark.usefixtures("forged")
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_command_prints_a_name_that_acts(
    landing: Landing, invoke: Invoke, capfd: Capture, monkeypatch: pytest.MonkeyPatch, log_format: str
) -> None:
    monkeypatch.setenv("PIPELINE_LOG_FORMAT", log_format)
    name = f"{FORGED}/sleep.csv"
    for arguments in (
        ["ls"],
        ["ls", "--json"],
        ["ingest", "--dry-run"],
        ["ingest"],
        ["rejected", "list"],
        ["rejected", "show", name],
        ["files"],
        ["files", "--json"],
        ["runs"],
        ["runs", "show", "last"],
        ["runs", "show", "last", "--json"],
        ["status"],
        ["status", "--json"],
        ["status", "--probe"],
        ["retract", "--reason", FORGED, "no such file \x1b[2K\n"],
        ["rejected", "export", "no such file \x1b[2K\n"],
    ):
        capfd.readouterr()
        invoke(*arguments)
        out, err = capfd.readouterr()
        assert not harmful(out + err), arguments
        assert not [line for line in (out + err).splitlines() if line.startswith("12:00:00")], arguments
    (run,) = landing.rows("select error_summary from ops.pipeline_runs where command = 'ingest'")[0]
    assert run.isprintable(), "alerts and the termination log have it, too"


@pytest.mark.usefixtures("forged")
def test_json_means_what_it_meant(invoke: Invoke, capfd: Capture) -> None:
    assert invoke("ingest") == 65
    capfd.readouterr()
    assert invoke("files", "--json") == 0
    names = {file["filename"] for file in json.loads(capfd.readouterr().out)["files"]}
    assert names == {f"{FORGED}/sleep.csv", f"{FORGED}/sleep_2.csv"}
    document = {"name": FORGED, "more": "\u2028\u2029\x7f\x85é日本"}
    written = printable_json(json.dumps(document, ensure_ascii=False))
    assert json.loads(written) == document
    assert written.isprintable()


def test_the_text_log_has_one_line_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(log.logger, "handlers", [])
    log.configure("text", stream)
    log.event(f"{FORGED}: loaded", file=FORGED)
    log.configure("json", io.StringIO())
    assert stream.getvalue().count("\n") == 1
    assert not harmful(stream.getvalue())
    assert f"{SHOWN}: loaded" in stream.getvalue(), "and no markup is applied"


def test_a_cell_of_a_table_is_text() -> None:
    stream = io.StringIO()
    listed = tables.table("file")
    listed.add_row(FORGED)
    console = Console(file=stream, width=300, force_terminal=True, color_system="truecolor")
    console.print(listed, tables.facts(("Name", FORGED)))
    assert stream.getvalue().count(SHOWN) == 2


ROWS = [
    (b"=cmd|' /C calc'!A0,1", b"'=cmd|' /C calc'!A0,1"),
    (b'1,"=HYPERLINK(""http://evil"")",@x', b'1,"\'=HYPERLINK(""http://evil"")",\'@x'),
    (b"1;+1+2;-x\t=1", b"1;'+1+2;'-x\t'=1"),
    (b"1, =1", b"1, '=1"),
    (b'"a\n=1"', b'"a\n\'=1"'),
    (b'-5,+1.5,-1e-3,-.5,"-7",-12%', b'-5,+1.5,-1e-3,-.5,"-7",-12%'),
    (b"4/12/2016,many,a=b,a@b.c,1-2", b"4/12/2016,many,a=b,a@b.c,1-2"),
    ("1,\uff1d1".encode(), "1,'\uff1d1".encode()),
    (b"-\xff,1", b"'-\xff,1"),
    (b'{"Id": 1, "Value": -5}', b'{"Id": 1, "Value": -5}'),
]


@pytest.mark.parametrize(("row", "expected"), ROWS, ids=range(len(ROWS)))
def test_no_cell_is_a_formula(row: bytes, expected: bytes) -> None:
    assert without_formulas(row) == expected
    assert without_formulas(expected) == expected


def test_rejected_export_writes_no_formulas_unless_asked_to(
    landing: Landing, invoke: Invoke, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    row = b"=1+1,4/12/2016,1,-5,@x"
    landing.put("sleep.csv", sleep(1, 2) + row + b"\n")
    assert invoke("ingest") == 0
    for options, expected in (((), b"'=1+1,4/12/2016,1,-5,'@x\n"), (("--as-is",), row + b"\n")):
        capfdbinary.readouterr()
        assert invoke("rejected", "export", "sleep.csv", *options) == 0
        assert capfdbinary.readouterr().out == expected


def test_what_is_printable_stays(tmp_path: Path) -> None:
    for text in ("", "a b/sleep.csv", "ünï/日本.csv", "100%.csv", "\\xff.csv"):
        assert printable(text) == text
    assert printable("a\tb\nc", keep="\n") == "a\\tb\nc"

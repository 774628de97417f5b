import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion import log
from tests.drops import forget

SECRET = 'pa"ss w/ö+\\1'
PLANTED = "PLANTED-7f3a"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """The log as a machine reads it; afterwards the process's log is as it was."""
    forget(monkeypatch)
    handlers, level, propagate = log.logger.handlers[:], log.logger.level, log.logger.propagate
    stream = io.StringIO()
    log.configure("json", stream)
    yield stream
    log.logger.handlers[:], log.logger.propagate = handlers, propagate
    log.logger.setLevel(level)


def parsed(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_the_fields_that_a_machine_looks_for(lines: io.StringIO) -> None:
    run_id = str(uuid4())
    with log.bound(run_id=run_id), log.bound(step="ingest"):
        log.event("ingest done", status="success", duration_ms=12)
    (line,) = parsed(lines)
    assert {name: line[name] for name in ("run_id", "step", "status", "duration_ms", "level", "message")} == {
        "run_id": run_id,
        "step": "ingest",
        "status": "success",
        "duration_ms": 12,
        "level": "info",
        "message": "ingest done",
    }
    assert line["timestamp"].endswith("+00:00")


def test_bound_fields_end_with_their_block_and_the_inner_ones_win(lines: io.StringIO) -> None:
    with log.bound(step="outer"):
        with log.bound(step="inner"):
            log.event("a")
        log.event("b", step="given")
    log.event("c")
    assert [line.get("step") for line in parsed(lines)] == ["inner", "given", None]


@pytest.mark.parametrize(
    "text",
    [
        f"connecting with {SECRET}",
        f"connecting with {quote(SECRET, safe='')}",
        f"connecting with {quote_plus(SECRET)}",
        f"connecting with {json.dumps({'password': SECRET})}",
        f"postgresql://user:{PLANTED}@host/name",
        f"postgresql://user:a@{PLANTED}@host/name",
        f"redis://:{PLANTED}@host",
        f"password={PLANTED}",
        f"PGPASSWORD={PLANTED}",
        rf"host=h password='a\'{PLANTED}' port=1",
        f'invalid input syntax for type integer: "{PLANTED}"',
        f'invalid input syntax for type integer: "a"{PLANTED}"',
        f'invalid input syntax for type integer: "a\n{PLANTED}"',
        f'date/time field value out of range: "{PLANTED}"',
        f'value "{PLANTED}" is out of range for type integer',
        f"duplicate key\nDETAIL:  Key (user_id)=({PLANTED}) already exists.",
        f"violates a check\nDETAIL:  Failing row contains (1, a\n{PLANTED}, 2).",
        f'bad\nCONTEXT:  COPY sleep, line 2, column user_id: "{PLANTED}"',
        f"bad\nLINE 1: select '{PLANTED}'\n               ^",
        f"bad\nQUERY:  select '{PLANTED}'",
    ],
)
def test_neither_secrets_nor_values_come_through(text: str, lines: io.StringIO) -> None:
    log.hide([SECRET, None, ""])
    try:
        raise ValueError(text)
    except ValueError as exc:
        log.logger.exception(text, extra={"fields": {"deep": [{"inner": text}], "error": exc}})
    (line,) = parsed(lines)
    del line["timestamp"]
    for form in (SECRET, quote(SECRET, safe=""), quote_plus(SECRET), json.dumps(SECRET)[1:-1], PLANTED):
        assert form not in log.redact(text)
        assert not [name for name, value in line.items() if form in json.dumps(value, ensure_ascii=False)]
        assert form not in lines.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "connection to server at 127.0.0.1, port 5432 failed: Connection refused",
        'duplicate key value violates unique constraint "raw_ingest_manifest_loaded_checksum"',
        'null value in column "user_id" violates not-null constraint',
        'relation "raw.sleep" does not exist',
        "see https://example.org/a?b=c",
        "postgresql://user@host/name",
    ],
)
def test_what_a_person_needs_is_left(text: str) -> None:
    assert log.redact(text) == text


def test_the_text_behind_a_hidden_value_is_left() -> None:
    text = f"bad\nDETAIL:  {PLANTED}\nHINT:  Mend it.\n\nThe above exception was the direct cause\nStatementError"
    assert log.redact(text).split("\n", 2)[2] == text.split("\n", 2)[2]


@given(st.text(), st.text())
def test_any_text_makes_one_json_line(message: str, value: str) -> None:
    record = log.logger.makeRecord("ingestion", logging.INFO, "", 0, message, (), None, extra={"fields": {"it": value}})
    formatted = log._JsonFormatter().format(record)
    assert "\n" not in formatted
    assert json.loads(formatted)["it"] == log.redact(value)


def test_a_terminal_gets_a_readable_line(monkeypatch: pytest.MonkeyPatch, lines: io.StringIO) -> None:
    stream = io.StringIO()
    log.configure("text", stream)
    forget(monkeypatch)
    log.hide([PLANTED])
    try:
        log.event(f"ingest done [bold]{PLANTED}", status="success", step="ingest", duration_ms=1500)
        assert log.console() is not None
    finally:
        log.configure("json", lines)
    assert "ingest    done [bold]***  1.50 s" in stream.getvalue()
    assert log.console() is None


def test_a_pipe_gets_json_unless_told_otherwise(lines: io.StringIO) -> None:
    log.configure("auto", lines)
    log.event("x")
    assert parsed(lines)[0]["message"] == "x"


def test_a_short_secret_is_taken_out_as_a_word_and_not_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch)
    log.hide(["p"])
    assert log.redact("port 5432, password p, (p)") == "port 5432, password ***, (***)"

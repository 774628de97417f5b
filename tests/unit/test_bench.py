"""The benchmark: its turns and ratios, its record, its tables, and the page that they are written to."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.bench import __main__ as program
from scripts.bench import against, inputs, record, table
from scripts.bench.catalogue import SCENARIOS, TABLE_OF
from scripts.bench.clients import ClientFailedError, Measurement
from scripts.bench.inputs import Sizes
from scripts.bench.rows import Circumstances, Figures, Row
from scripts.bench.scenario import Bench, Scenario, Spec, Step, one, run

HERE = Circumstances("1.0.0", "abc1234", "2026-11-27", "a machine", load_at_start=0.1)
LATER = replace(HERE, version="1.1.0")


def bench(repetitions: int = 3) -> Bench:
    return Bench(None, Sizes(), repetitions, with_peers=False)  # type: ignore[arg-type]


def scenario(specs: tuple[Spec, ...], *steps: Step) -> Scenario:
    return Scenario("any", "loading", specs, lambda _sizes: (), lambda _bench: steps)


def taking(*seconds: float, log: list[str] | None = None, name: str = "") -> Callable[[], Measurement]:
    """Return what measures one of these times after the other."""
    left = list(seconds)

    def measure() -> Measurement:
        if log is not None:
            log.append(name)
        return Measurement(left.pop(0))

    return measure


def test_the_page_has_the_figures_of_the_record() -> None:
    page, rows = table.PAGE.read_text(encoding="utf-8"), record.read(record.RECORD)
    for name in table.TABLES:
        assert page.count(f"table {name}: begin") == page.count(f"table {name}: end -->") == 1
    assert page == table.written(page, table.tables_of(rows, TABLE_OF)), "run: python -m scripts.bench --page"


def test_the_record_knows_its_rows() -> None:
    plain = json.loads(record.RECORD.read_text(encoding="utf-8"))["rows"]
    names = [row["name"] for row in plain]
    assert names == [name for name in TABLE_OF if name in names]
    assert [Row.from_json(row).as_json() for row in plain] == plain


def test_the_page_names_what_can_be_measured() -> None:
    page = table.PAGE.read_text(encoding="utf-8")
    all_names, _, against_names = (
        page.partition("`--only` takes ")[2].partition("\n\n")[0].partition("; with `--against`")
    )
    assert re.findall("`([a-z0-9-]+)`", all_names) == [scenario.name for scenario in SCENARIOS]
    assert re.findall("`([a-z0-9-]+)`", against_names) == against.NAMES


def test_every_row_has_a_name_of_its_own_and_a_title() -> None:
    names = [spec.name for scenario in SCENARIOS for spec in scenario.rows]
    assert len(names) == len(set(names))
    for each in SCENARIOS:
        assert all(each.title(spec, Sizes()) for spec in each.rows)
        assert {spec.speed_of or spec.name for spec in each.rows} <= {spec.name for spec in each.rows}


def test_ratios_are_medians_of_those_of_each_turn() -> None:
    specs = (Spec("psql", "", speed_of="psql"), Spec("ours", "", speed_of="psql"), Spec("share", "", share_of="psql"))
    steps = (
        one("psql", taking(1.0, 4.0, 10.0)),
        one("ours", taking(2.0, 4.0, 40.0)),
        one("share", taking(3.0), repetitions=1),
    )
    psql, ours, share = run(scenario(specs, *steps), bench())
    assert (psql.figures.seconds, psql.figures.speed) == (4.0, 1.0)
    # of 0.5, 1 and 0.25; the ratio of the medians would be 1
    assert (ours.figures.seconds, ours.figures.speed, ours.runs) == (4.0, 0.5, (2.0, 4.0, 40.0))
    assert share.figures.share == pytest.approx(0.75)


def test_steps_take_turns_in_being_first() -> None:
    log: list[str] = []
    steps = [one(name, taking(1.0, 1.0, log=log, name=name)) for name in ("old", "new")]
    run(scenario((Spec("old", ""), Spec("new", "")), *steps), bench(2))
    assert log == ["old", "new", "new", "old"]


def test_a_failure_stays_in_its_rows() -> None:
    def fail() -> Mapping[str, Measurement]:
        raise ClientFailedError("psql ended with exit code 3")

    specs = (Spec("bad", ""), Spec("worse", ""), Spec("good", "", speed_of="bad"))
    bad, worse, good = run(scenario(specs, Step(("bad", "worse"), fail), one("good", taking(1.0, 1.0, 1.0))), bench())
    assert bad.error == worse.error == "psql ended with exit code 3"
    assert (good.error, good.figures.seconds, good.figures.speed) == ("", 1.0, None)
    row = Row("bad", "a load", HERE, error=bad.error)
    assert "failed: psql ended with exit code 3" in table.terminal_row("loading", row, None)
    assert "failed: psql ended with exit code 3" in table.markdown("loading", [row])


def test_what_cannot_be_prepared_fails_with_all_its_rows(capsys: pytest.CaptureFixture[str]) -> None:
    def steps(_bench: Bench) -> list[Step]:
        raise RuntimeError("no disk")

    (outcome,) = run(Scenario("any", "loading", (Spec("row", ""),), lambda _sizes: (), steps), bench())
    assert outcome.error == "RuntimeError: no disk"
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "now", "is_loss"),
    [
        (Figures(seconds=1, speed=0.5), Figures(seconds=9, speed=0.43), False),
        (Figures(speed=0.5), Figures(speed=0.42), True),
        (Figures(share=0.1), Figures(share=0.11), False),
        (Figures(share=0.1), Figures(share=0.12), True),
        (Figures(seconds=10), Figures(seconds=11), False),
        (Figures(seconds=10), Figures(seconds=12), True),
        (Figures(), Figures(seconds=12), False),
    ],
)
def test_a_loss_is_more_than_15_percent(before: Figures, now: Figures, is_loss: bool) -> None:
    row, recorded = Row("row", "a row", HERE, now), Row("row", "a row", HERE, before)
    assert row.is_loss_against(recorded) is is_loss
    assert ("(!)" in table.terminal_row("loading", row, recorded)) is is_loss


def test_seconds_of_another_machine_are_no_loss() -> None:
    recorded = Row("row", "", replace(HERE, machine="another one"), Figures(seconds=1))
    assert not Row("row", "", HERE, Figures(seconds=9)).is_loss_against(recorded)


def test_a_run_replaces_its_own_rows_and_keeps_those_of_the_last_version(tmp_path: Path) -> None:
    path = tmp_path / "performance.json"
    names = ["first", "second"]
    old = [Row("second", "b", HERE, Figures(seconds=2.0)), Row("first", "a", HERE, Figures(seconds=1.0), (1.0, 0.5))]
    record.write(path, record.merged({}, [*old, Row("gone", "", HERE)], names))
    assert [row.title for row in record.read(path).values()] == ["a", "b"]

    for seconds in (3.0, 4.0):
        rows = record.merged(record.read(path), [Row("first", "a", LATER, Figures(seconds=seconds))], names)
        record.write(path, rows)
        first, second = record.read(path).values()
        assert second == old[0]
        # measured again, the row of the last version stays
        assert (first.figures.seconds, first.before) == (seconds, old[1])
    assert "1.00 s in 1.0.0 (!)" in table.markdown("loading", [first])


def test_a_last_version_without_seconds_is_named_by_its_files_a_second() -> None:
    before = Row("first", "a", HERE, Figures(files_per_second=1225))
    row = Row("first", "a", LATER, Figures(seconds=3.0), before=before)
    assert "| 1,225 files/s in 1.0.0 |" in table.markdown("loading", [row])


def test_the_page_rounds_what_the_record_has_rounded(tmp_path: Path) -> None:
    # 0.22, but the record has 0.225
    program.write(tmp_path, [Row("clean", "a", HERE, Figures(seconds=1.0, speed=0.2249))])
    page = (tmp_path / table.PAGE.name).read_text(encoding="utf-8")
    rows = record.read(tmp_path / record.RECORD.name)
    assert page == table.written(page, table.tables_of(rows, TABLE_OF))


def test_a_busy_machine_is_named() -> None:
    quiet, busy = Row("a", "a", HERE), Row("b", "b", replace(HERE, load_at_start=0.51))
    assert "busy" not in table.markdown("loading", [quiet])
    assert "**The machine was busy (load average 0.5 at the start)" in table.markdown("loading", [quiet, busy])


def test_the_files_of_participants_name_nobody_and_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "BUILD", tmp_path)
    files = sorted(inputs.files_in(inputs.by_person(28)))
    assert [path.parent.name for path in files[:2]] == ["user_id=5000000000", "user_id=5000000001"]
    texts = {path.read_text("ascii") for path in files}
    assert len(texts) == 28
    for text in texts:
        header, *rows = text.splitlines()
        assert header.startswith("ActivityDate,")
        assert len(rows) == 1_000
        assert {row.count(",") for row in rows} == {header.count(",")}


def test_split_files_have_all_rows_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "BUILD", tmp_path)
    whole = inputs.generate(12).read_text("ascii").splitlines()
    parts = [path.read_text("ascii").splitlines() for path in sorted(inputs.split(4, 3).iterdir())]
    assert [part[0] for part in parts] == [whole[0]] * 4
    assert [row for part in parts for row in part[1:]] == whole[1:]

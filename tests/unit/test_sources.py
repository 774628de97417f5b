import re
from pathlib import Path

import pytest

from ingestion.config import ROOT
from ingestion.errors import ConfigurationError
from ingestion.sources import datasets_for, normalise
from ingestion.sources.declarations import read
from tests.datasets import DAILY_ACTIVITY, DATASETS


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("daily_activity.csv", "daily_activity"),
        ("dailyActivity_merged.csv", "daily_activity"),
        ("DAILY ACTIVITY.CSV", "daily_activity"),
        ("daily-activity-2026-01-20.csv", "daily_activity"),
        ("daily_activity_2026-01-01_to_2026-01-31.csv", "daily_activity"),
        ("sleep.csv", "sleep"),
        ("sleepDay_merged.csv", "sleep"),
        ("sleep_day.csv", "sleep"),
        ("sleep_2026-01-20.csv", "sleep"),
        ("sleep_20260120.csv", "sleep"),
        ("2026-01-20 sleep.csv", "sleep"),
        ("20260120_sleep.csv", "sleep"),
        ("sleep (1).csv", "sleep"),
        ("sleepDay_merged(2).csv", "sleep"),
        ("sleep_2026-01-20_3.csv", "sleep"),
        ("sleepStagesDay_merged.csv", "sleep"),
        ("sleepLogInfo_merged.csv", "sleep_records"),
        ("minuteStepsNarrow_merged.csv", "minute_activity"),
        ("minuteSleep_merged.csv", "minute_sleep"),
        ("hourlyCalories_merged.csv", "hourly_calories"),
        ("hourlyIntensities_merged.csv", "hourly_intensities"),
        ("syncEvents_merged.csv", "sync_events"),
        ("fitbitWearTimeViaHR_merged.csv", "wear_time"),
        ("battery_merged.csv", "battery"),
    ],
)
def test_names_of_drops(name: str, dataset: str) -> None:
    assert dataset in [found.name for found in datasets_for(name)]


@pytest.mark.parametrize(
    "name",
    [
        "asleep.csv",
        "sleepless.csv",
        "sleep_quality.csv",
        "sleep.csv.bak",
        "sleep.txt",
        "sleep",
        ".csv",
        "sleep.csv\n",
        "sleep\n.csv",
        "daily_activity_sleep.csv",
        "weekly_activity.csv",
        "folder/sleep.csv",
    ],
)
def test_other_names_are_unknown(name: str) -> None:
    assert datasets_for(name) == ()


@pytest.mark.parametrize(
    "name", ["sleep_" + "0" * 200 + ".bak", "sleep" + "_1" * 120 + "x", "sleep" + "(1)" * 80 + ")"]
)
def test_a_long_name_is_refused_at_once(name: str) -> None:
    """A pattern that backtracks over the digits would not come back from this."""
    assert datasets_for(name) == ()


def test_no_name_belongs_to_two_sources() -> None:
    for dataset in DATASETS:
        for stem in dataset.stems:
            own = [each for each in DATASETS if each.stems and each.layouts[0].pattern.fullmatch(f"{stem}.csv")]
            assert own == [dataset]


@pytest.mark.parametrize(
    "header", ["TotalSteps", "total_steps", "Total Steps", "TOTAL-STEPS", " total.steps ", "totalsteps"]
)
def test_headers_are_matched_without_case_and_punctuation(header: str) -> None:
    assert DAILY_ACTIVITY.by_header[normalise(header)].name == "total_steps"


@pytest.mark.parametrize("name", [dataset.name for dataset in DATASETS])
def test_a_declaration_makes_sense(name: str) -> None:
    (dataset,) = (dataset for dataset in DATASETS if dataset.name == name)
    columns = [column.name for column in dataset.columns]
    assert len(set(columns)) == len(columns)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", column) for column in [name, *columns])
    required = {column.name for column in dataset.columns if column.required}
    assert set(dataset.key) <= required, "a key that a file may lack would reject all of its rows"
    if dataset.stems:
        assert len(dataset.by_header) >= len(columns), "two columns answer to one header"
        assert {column.name for column in dataset.by_header.values()} == set(columns)
    assert all(c.minimum is None or c.maximum is None or c.minimum <= c.maximum for c in dataset.columns)
    assert 0 <= dataset.max_rejected_percent <= 100
    assert dataset.max_rejected_rows >= 0


MOOD = """
files = ["mood"]
key = ["user_id", "felt_at"]
max_rejected_percent = 5
delimiter = ";"

[columns]
user_id = { header = "Id", type = "bigint", required = true }
felt_at = { header = "Time", type = "timestamp", required = true, aliases = ["When"] }
score = { header = "Score", type = "integer", minimum = 1, maximum = 5 }
"""
BAND = """
device = "Band"

[[exports]]
dataset = "mood"
files = ["band_mood"]

[exports.columns]
felt_at = "stamp"
score = { header = "tenths", factor = "1/10", required = false }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("datasets", "devices"):
        (tmp_path / name).mkdir()
    return tmp_path


def declare(folder: Path, dataset: str = MOOD, device: str = BAND) -> None:
    (folder / "datasets" / "mood.toml").write_text(dataset, "utf-8")
    (folder / "devices" / "band.toml").write_text(device, "utf-8")


def test_a_dataset_and_a_device_are_declared_without_python(folder: Path) -> None:
    declare(folder)
    (dataset,) = read(folder / "datasets", folder / "devices")
    assert (dataset.name, dataset.key, dataset.date_order) == ("mood", ("user_id", "felt_at"), None)
    assert (dataset.max_rejected_percent, dataset.delimiter, dataset.max_rejected_rows) == (5, ";", 100_000)
    assert [column.name for column in dataset.columns] == ["user_id", "felt_at", "score"]
    assert dataset.by_header["when"].name == "felt_at"
    assert list(dataset.layouts_for("mood_2026-01-20.csv"))
    (layout,) = dataset.layouts_for("band_mood.csv")
    assert (layout.device, layout.usual_order, layout.needs_user_id) == ("Band", "YMD", True)
    assert [(column.name, column.factor, column.required) for column in layout.columns] == [
        ("felt_at", None, True),
        ("score", 0.1, False),
    ]


def test_what_the_documentation_declares_can_be_declared(folder: Path) -> None:
    dataset, device = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "datasets.md").read_text("utf-8"), re.DOTALL)
    declare(folder, dataset, device)
    (dataset,) = read(folder / "datasets", folder / "devices")
    assert [layout.device for layout in dataset.layouts] == ["Fitbit", "Band"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('files = ["mood"]', "files = [", "mood.toml: "),
        ('files = ["mood"]', 'files = "mood"', "mood.toml: files must be a list"),
        ('files = ["mood"]', "files = [1]", "mood.toml: files must be a list of strings"),
        ("[columns]", 'datum = "x"\n[columns]', "mood.toml: unknown key datum; the keys are files, "),
        ("[columns]", 'date_order = "DDMM"\n[columns]', "date_order must be one of MDY, DMY, YMD"),
        ("[columns]", 'encoding = "utf-9"\n[columns]', "utf-9 is not an encoding"),
        ("[columns]", 'quote = ""\n[columns]', "delimiter and quote must be one character"),
        ("[columns]", "max_rejected_rows = -1\n[columns]", "max_rejected_rows not negative"),
        ("max_rejected_percent = 5", "max_rejected_percent = 500", "must be from 0 to 100"),
        ("max_rejected_percent = 5", "max_rejected_percent = true", "max_rejected_percent must be a number"),
        (
            '{ header = "Score", type = "integer", minimum = 1, maximum = 5 }',
            '"Score"',
            "columns.score: must be a table",
        ),
        ('type = "integer"', 'type = "datum"', "columns.score: type must be one of bigint, "),
        ('type = "integer"', 'typ = "integer"', "columns.score: type must be one of"),
        ("minimum = 1", "minimal = 1", "columns.score: unknown key minimal; the keys are header, type, "),
        ("minimum = 1", "minimum = 9", "columns.score: minimum is above maximum"),
        ('score = { header = "Score"', 'Score = { header = "Score"', "Score is not a valid name"),
        ('aliases = ["When"]', 'aliases = ["score"]', "felt_at and score both match the header score"),
        ('"timestamp", required = true', '"timestamp"', "key: felt_at must be a required column"),
        ("user_id = {", "person = {", "columns must have a required user_id"),
        ('device = "Band"', "", "band.toml: device is missing"),
        ('dataset = "mood"', 'dataset = "moods"', "exports 1: there is no dataset moods"),
        ('felt_at = "stamp"', 'mood = "stamp"', "columns.mood: the dataset mood has no such column"),
        ('felt_at = "stamp"', "", "Band does not fill felt_at, which is part of the key"),
        ('felt_at = "stamp"', "felt_at = 5", "exports 1: columns.felt_at: must be a header, or a table"),
        ('"1/10"', '"1/0"', "exports 1: columns.score: factor must be a number"),
        ('"1/10"', "true", "exports 1: columns.score: factor must be a number"),
        ("[[exports]]", "[exports]", "band.toml: exports must be a list"),
    ],
)
def test_a_wrong_declaration_is_named(old: str, new: str, problem: str, folder: Path) -> None:
    assert (old in MOOD) != (old in BAND)
    declare(folder, MOOD.replace(old, new), BAND.replace(old, new))
    with pytest.raises(ConfigurationError) as caught:
        read(folder / "datasets", folder / "devices")
    assert str(caught.value).startswith("ingestion/sources/d")
    assert problem in str(caught.value)
    assert "docs/datasets.md" in (caught.value.hint or "")

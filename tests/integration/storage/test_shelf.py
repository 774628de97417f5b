"""A place for finished files: the same on a directory and in every store."""

from pathlib import Path

import pytest

from ingestion.errors import ConfigurationError
from ingestion.storage import open_shelf
from tests.integration.storage.conftest import Zone


def test_what_is_put_is_there_and_the_newest_counts(zone: Zone, tmp_path: Path) -> None:
    shelf = open_shelf(f"{zone.location}/reports", timeout_seconds=10)
    assert shelf.names() == []
    assert not shelf.holds("latest.html")
    assert shelf.read("latest.html") is None
    shelf.remove("latest.html")

    path = tmp_path / "page.html"
    for content in (b"first", b"second"):
        path.write_bytes(content)
        shelf.put("latest.html", path)
    shelf.put("a.html", path)
    assert shelf.names() == ["a.html", "latest.html"]
    assert shelf.holds("latest.html")
    assert shelf.read("latest.html") == b"second"
    assert shelf.place in zone.location + "/reports"

    shelf.remove("a.html")
    assert shelf.names() == ["latest.html"]


def test_a_place_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="ftp:// is not supported as a place for reports"):
        open_shelf("ftp://host/reports")


def test_a_directory_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written") as caught:
        open_shelf(str(tmp_path / "file")).put("latest.html", tmp_path / "file")
    assert "PIPELINE_REPORT_DIR" in str(caught.value.hint)

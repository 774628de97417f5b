"""What every landing zone holds to; a further backend joins by a `Zone` of its own."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from ingestion.errors import ConfigurationError, FileRefusedError
from ingestion.storage import open_storage
from tests.integration.storage.conftest import Zone, local_zone

LARGE = b"".join(b"%07d,0123456789abcdef0123456789abcdef\n" % i for i in range(60_000))


def checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_all_files_of_nested_folders_are_listed_in_a_fixed_order(zone: Zone) -> None:
    names = ["B.csv", "a.csv", "a/1.csv", "a/x/1.csv", "b/10.csv", "b/2.csv"]
    for name in reversed(names):
        zone.put(name, name.encode())
    assert sorted(zone.names()) == sorted(names)
    assert zone.names() == zone.names()
    assert {file.name: file.size for file in zone.open().list()} == {name: len(name) for name in names}


def test_hidden_files_and_readmes_are_left_out(zone: Zone) -> None:
    for name in (".hidden.csv", ".git/sleep.csv", "a/.DS_Store", "README.md", "a/readme.txt", "a/sleep.csv"):
        zone.put(name, b"x")
    assert zone.names() == ["a/sleep.csv"]


def test_an_empty_landing_zone_has_no_files(zone: Zone) -> None:
    assert zone.names() == [], "a prefix is no object: it cannot be missing"


def test_odd_names_are_opened_as_they_are_listed(zone: Zone) -> None:
    names = ["with space.csv", "ünï/日本.csv", "100%.csv", "a%20b.csv", "a+b.csv", "a&b=c.csv", "it's.csv", "[x]#1.csv"]
    for name in names:
        zone.put(name, name.encode())
    storage = zone.open()
    found = {}
    for file in storage.list():
        with storage.open(file) as stream:
            found[file.name] = stream.read().decode()
    assert found == {name: name for name in names}


def test_an_empty_file_is_listed_and_read(zone: Zone) -> None:
    zone.put("sleep.csv", b"")
    assert zone.listed("sleep.csv").size == 0
    assert zone.read("sleep.csv") == b""


def test_a_large_file_comes_in_pieces_and_whole(zone: Zone) -> None:
    zone.put("sleep.csv", LARGE)
    storage, pieces = zone.open(), []
    file = zone.listed("sleep.csv")
    with storage.open(file) as stream:
        while piece := stream.read(100_000):
            assert len(piece) <= 100_000
            pieces.append(piece)
        assert stream.read(1) == b""
    assert b"".join(pieces) == LARGE
    assert storage.confirms(file, checksum(LARGE))


def test_another_content_is_another_version(zone: Zone) -> None:
    zone.put("sleep.csv", b"one")
    first = zone.listed("sleep.csv")
    assert zone.listed("sleep.csv") == first
    zone.put("sleep.csv", b"two")
    assert zone.listed("sleep.csv").version != first.version
    assert first.is_strong == (zone.server is not None), "a directory's file is too young to vouch for its bytes"


def test_a_file_that_vanishes_after_it_was_listed_is_refused(zone: Zone) -> None:
    zone.put("sleep.csv", b"one")
    file = zone.listed("sleep.csv")
    zone.delete("sleep.csv")
    with pytest.raises(FileRefusedError) as caught:
        zone.open().open(file)
    assert caught.value.hint


def test_a_file_that_changes_after_it_was_listed_is_never_taken_for_the_listed_one(zone: Zone) -> None:
    zone.put("sleep.csv", b"one")
    file = zone.listed("sleep.csv")
    zone.put("sleep.csv", b"two")
    with pytest.raises(FileRefusedError, match="changed"):
        zone.open().open(file)
    assert zone.read("sleep.csv") == b"two"


def test_a_file_that_changes_while_it_is_read_is_no_mixture(zone: Zone) -> None:
    zone.put("sleep.csv", LARGE)
    file = zone.listed("sleep.csv")
    storage = zone.open()
    with storage.open(file) as stream:
        begin = stream.read(10_000)
        zone.put("sleep.csv", LARGE.upper())
        try:
            rest = stream.read()
        except FileRefusedError:
            return
    assert begin + rest == LARGE


def test_a_missing_place_is_an_error_with_a_remedy(zone: Zone, tmp_path: Path) -> None:
    location = f"{zone.server.scheme}://no-such-bucket/x" if zone.server else str(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match=r"no such bucket|does not exist") as caught:
        list(open_storage(location).list())
    assert "PIPELINE_DATA_DIR" in (caught.value.hint or "")


def test_only_what_is_below_the_location_is_seen(zone: Zone) -> None:
    zone.put("in/sleep.csv", b"x")
    zone.put("in-between/sleep.csv", b"x")
    assert [file.name for file in open_storage(f"{zone.location}/in").list()] == ["sleep.csv"]


def test_a_file_is_added_whole_and_once(zone: Zone, tmp_path: Path) -> None:
    source = tmp_path / "source.csv"
    source.write_bytes(b"content")
    storage = zone.open()
    assert storage.add("a/b c/sleep.csv", source, checksum(b"content"))
    assert zone.read("a/b c/sleep.csv") == b"content"
    assert not storage.add("a/b c/sleep.csv", source, checksum(b"content"))
    assert zone.names() == ["a/b c/sleep.csv"]


def test_nothing_is_put_in_the_place_of_other_bytes(zone: Zone, tmp_path: Path) -> None:
    zone.put("sleep.csv", b"other")
    source = tmp_path / "source.csv"
    source.write_bytes(b"content")
    with pytest.raises(FileRefusedError, match="another file with the name"):
        zone.open().add("sleep.csv", source, checksum(b"content"))
    assert zone.read("sleep.csv") == b"other"


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_paths: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    zone = local_zone(tmp_path / "zone")
    source = tmp_path / "source.csv"
    source.write_bytes(b"content")
    assert zone.open().add("a/sleep.csv", source, checksum(b"content"))
    assert not zone.open().add("a/sleep.csv", source, checksum(b"content"))
    source.write_bytes(b"other")
    with pytest.raises(FileRefusedError, match="another file with the name"):
        zone.open().add("a/sleep.csv", source, checksum(b"other"))
    assert [path.name for path in (tmp_path / "zone/a").iterdir()] == ["sleep.csv"]


@pytest.mark.parametrize("whole_bytes", [1 << 30, 1 << 20])
def test_a_file_that_changes_while_it_is_added_is_not_there(
    whole_bytes: int, zone: Zone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.storage.objects._WHOLE_BYTES", whole_bytes)
    source = tmp_path / "source.csv"
    source.write_bytes(LARGE)
    with pytest.raises(FileRefusedError, match="changed"):
        zone.open().add("sleep.csv", source, checksum(b"as it was before"))
    assert zone.names() == []


def test_a_large_file_is_added_in_parts(zone: Zone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.storage.objects._WHOLE_BYTES", 1 << 20)
    content = LARGE * 5
    source = tmp_path / "source.csv"
    source.write_bytes(content)
    storage = zone.open()
    assert storage.add("sleep.csv", source, checksum(content))
    assert zone.read("sleep.csv") == content
    assert not storage.add("sleep.csv", source, checksum(content))

"""What every landing zone must hold to; a further backend joins by its own `storage` fixture."""

import hashlib
import mmap
import os
import shutil
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingestion.errors import ConfigurationError, FileRefusedError
from ingestion.storage import LocalStorage, StoredFile, local, open_storage
from ingestion.storage.names import name_of, path_of
from tests.drops import Landing, sleep


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "landing"
    root.mkdir()
    return root


@pytest.fixture
def storage(root: Path) -> LocalStorage:
    return LocalStorage(root)


def put(root: Path, name: str, content: bytes = b"x") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def overwrite(path: Path, content: bytes) -> None:
    """Write into a file in place and restore its modification time, as `rsync --inplace --times` does."""
    status = path.stat()
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def content_of(storage: LocalStorage, name: str) -> bytes:
    with storage.open(listed(storage, name)) as stream:
        return stream.read()


def listed(storage: LocalStorage, name: str) -> StoredFile:
    (file,) = (file for file in storage.list() if file.name == name)
    return file


def names(storage: LocalStorage) -> list[str]:
    return [file.name for file in storage.list()]


def test_names_are_sorted_by_folder_and_name(root: Path, storage: LocalStorage) -> None:
    for name in ("b/2.csv", "z.csv", "a/x/1.csv", "b/10.csv", "a.csv", "a/1.csv", "B.csv"):
        put(root, name)
    expected = ["B.csv", "a.csv", "z.csv", "a/1.csv", "a/x/1.csv", "b/10.csv", "b/2.csv"]
    assert names(storage) == expected


def test_hidden_files_and_readmes_are_left_out(root: Path, storage: LocalStorage) -> None:
    for name in (".hidden.csv", ".git/sleep.csv", "a/.DS_Store", "README.md", "a/readme.txt", "a/sleep.csv"):
        put(root, name)
    assert names(storage) == ["a/sleep.csv"]


def test_an_empty_landing_zone_has_no_names(root: Path, storage: LocalStorage) -> None:
    (root / "empty").mkdir()
    assert names(storage) == []


@pytest.mark.parametrize(
    "name", ["with space.csv", "ünï/日本.csv", "100%.csv", "%s%(a)s.csv", "a'b\"c;--.csv", "line\nend.csv", "\\.csv"]
)
def test_odd_names_are_opened_as_they_are_listed(name: str, root: Path, storage: LocalStorage) -> None:
    put(root, name, b"content")
    assert names(storage) == [name]
    assert content_of(storage, name) == b"content"
    assert listed(storage, name).size == 7


def test_a_name_that_is_no_utf8_is_shown_escaped_and_can_be_opened(root: Path, storage: LocalStorage) -> None:
    folder = os.fsencode(root) + b"/caf\xe9"
    os.mkdir(folder)  # noqa: PTH102  (a name of bytes)
    put(root, os.fsdecode(b"caf\xe9/sleep.csv"), b"content")
    assert names(storage) == ["caf\\xe9/sleep.csv"]
    assert content_of(storage, "caf\\xe9/sleep.csv") == b"content"
    file = listed(storage, "caf\\xe9/sleep.csv")
    assert file.size == 7
    assert storage.confirms(file, checksum(b"content"))


COLLIDING = (
    b"a\xff.csv",
    rb"a\xff.csv",
    rb"a\x5cxff.csv",
    rb"a\x5c.csv",
    b"a\\\xff.csv",
    rb"a\\xff.csv",
    rb"a\xFF.csv",
)


def test_names_do_not_collide(root: Path, storage: LocalStorage) -> None:
    for name in COLLIDING:
        put(root, os.fsdecode(name), name)
    found = {}
    for file in storage.list():
        with storage.open(file) as stream:
            found[file.name] = stream.read()
    assert sorted(found.values()) == sorted(COLLIDING)
    assert found[r"a\xff.csv"] == COLLIDING[0], "the text of a byte is as before"


@given(st.binary(min_size=1).filter(lambda name: not {0, 47} & set(name) and name not in {b".", b".."}))
@example(rb"\x5c")
@example(rb"\\x5cx5c\xff" + b"\xff")
def test_each_name_has_a_text_of_its_own(name: bytes) -> None:
    text = name_of(Path(os.fsdecode(name)))
    assert os.fsencode(path_of(text)) == name
    text.encode()
    if b"\\" not in name and name.decode(errors="ignore").encode() == name:
        assert text == name.decode()


def test_two_files_whose_names_collided_are_both_loaded_and_stay(landing: Landing) -> None:
    landing.put(os.fsdecode(b"\xff/sleep.csv"), sleep(1))
    landing.put(r"\xff/sleep.csv", sleep(2))
    for status in ("loaded", "skipped"):
        assert landing.statuses() == {r"\xff/sleep.csv": status, r"\x5cxff/sleep.csv": status}
        assert landing.users() == [1, 2]


@pytest.mark.parametrize("seconds", [2.0**40, -(2.0**40), 2.0**70])
def test_a_time_that_no_calendar_has_is_no_obstacle(seconds: float) -> None:
    assert local._moment(seconds) is None


def test_a_landing_zone_that_vanishes_during_the_run_is_an_error(root: Path, storage: LocalStorage) -> None:
    put(root, "a/sleep.csv")
    put(root, "sleep.csv")
    files = storage.list()
    file = next(files)
    shutil.rmtree(root)
    with pytest.raises(ConfigurationError, match="does not exist"):
        list(files)
    with pytest.raises(ConfigurationError, match="does not exist"):
        storage.open(file)


def test_a_linked_folder_outside_is_not_written_to(root: Path, storage: LocalStorage, tmp_path: Path) -> None:
    source = put(tmp_path, "source.csv", b"content")
    (tmp_path / "outside").mkdir()
    (root / "sleep").symlink_to(tmp_path / "outside")
    with pytest.raises(FileRefusedError, match="outside the data directory"):
        storage.add("sleep/2026/sleep.csv", source, hashlib.sha256(b"content").hexdigest())
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize(("folder_mode", "mode"), [(0o700, 0o600), (0o750, 0o640), (0o755, 0o644)])
def test_who_may_read_the_landing_zone_may_read_an_added_file(
    folder_mode: int, mode: int, root: Path, storage: LocalStorage, tmp_path: Path
) -> None:
    root.chmod(folder_mode)
    source = put(tmp_path, "source.csv", b"content")
    storage.add("sleep.csv", source, hashlib.sha256(b"content").hexdigest())
    assert stat.S_IMODE((root / "sleep.csv").stat().st_mode) == mode


def test_a_run_clears_what_killed_ones_have_left_behind(landing: Landing) -> None:
    """Only its own files, and only after a day: a younger one may belong to a process that is running."""
    old, young = (landing.put(f"a/.landing-{name}", b"part") for name in ("abcd1234", "efgh5678"))
    others = [landing.put(f"a/{name}", b"part") for name in (".landing-mine", ".other-abcd1234", "landing-abcd1234")]
    for path in (old, *others):
        os.utime(path, (time.time() - 90_000,) * 2)
    landing.put("sleep.csv", sleep(1))
    list(LocalStorage(landing.root).list())
    assert old.exists(), "a list changes nothing"
    landing.ingest()
    assert not old.exists()
    assert all(path.exists() for path in (young, *others))


def test_another_content_is_another_state(root: Path, storage: LocalStorage) -> None:
    path = put(root, "sleep.csv", b"one")
    os.utime(path, ns=(1, 1))
    states = [listed(storage, "sleep.csv")]
    assert storage.confirms(states[0], checksum(b"one"))

    def note() -> None:
        assert not storage.confirms(states[-1], checksum(path.read_bytes()))
        states.append(listed(storage, "sleep.csv"))

    path.write_bytes(b"two")
    note()
    put(root, ".other", b"one").replace(path)
    os.utime(path, ns=(1, 1))
    note()
    path.write_bytes(b"longer")
    note()
    assert len(set(states)) == 4
    path.unlink()
    assert not storage.confirms(states[-1], checksum(b"longer"))


def test_another_content_has_another_version_even_where_its_modification_time_was_set_back(
    root: Path, storage: LocalStorage
) -> None:
    path = put(root, "sleep.csv", b"one")
    before, status = listed(storage, "sleep.csv"), path.stat()
    time.sleep(0.02)
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert listed(storage, "sleep.csv").version != before.version


def test_a_version_vouches_for_its_bytes_once_it_is_old_enough(
    root: Path, storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(root, "sleep.csv", b"one")
    os.utime(path, ns=(1, 1))
    young = listed(storage, "sleep.csv")
    assert not young.is_strong, "it could change again within one tick of the clock"
    monkeypatch.setattr(local, "_RACY_SECONDS", 0)
    old = listed(storage, "sleep.csv")
    assert old.is_strong
    assert old == young, "age is no change"
    assert storage.confirms(young, checksum(b"one"))


def test_a_file_system_of_whole_seconds_is_not_believed(
    root: Path, storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a mounted image, whose builder sets all times to one."""
    path = put(root, "sleep.csv")
    monkeypatch.setattr(local, "_RACY_SECONDS", 0)
    status = path.stat()
    assert listed(storage, "sleep.csv").is_strong == (status.st_ctime_ns % 10**9 != 0)
    whole = os.stat_result(tuple(status), {"st_ctime_ns": 10**18, "st_ctime": 1e9, "st_mtime_ns": 10**18})
    monkeypatch.setattr(os, "stat", lambda *_arguments, **_named: whole)
    assert not next(storage.list()).is_strong


def test_a_new_name_owner_or_mode_is_no_other_content(root: Path, storage: LocalStorage) -> None:
    path = put(root, "sleep.csv", b"one")
    file = listed(storage, "sleep.csv")
    path.chmod(0o600)
    assert storage.confirms(file, checksum(b"one"))
    assert storage.archive(file, checksum(b"one"))


@pytest.mark.parametrize("is_old", [True, False])
def test_a_file_that_was_overwritten_in_place_has_changed(
    is_old: bool, root: Path, storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(root, "sleep.csv", b"one")
    if is_old:
        time.sleep(0.02)
        monkeypatch.setattr(local, "_RACY_SECONDS", 0.01)
    file = listed(storage, "sleep.csv")
    assert file.is_strong == is_old
    overwrite(path, b"two")
    assert not storage.confirms(file, checksum(b"one"))
    assert not storage.confirms(file, checksum(b"onw")), "a mixture of both"
    assert storage.confirms(file, checksum(b"two")), "these bytes are a whole file, and no mixture"
    assert not storage.archive(file, checksum(b"one"))
    assert path.read_bytes() == b"two"


def test_an_old_file_is_not_read_again(root: Path, storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root, "sleep.csv", b"one")
    monkeypatch.setattr(local, "_RACY_SECONDS", 0)
    file = listed(storage, "sleep.csv")
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("it was read"))
    assert storage.confirms(file, checksum(b"one"))


def test_a_change_within_a_tick_of_the_clock_is_found_by_reading_again(root: Path, storage: LocalStorage) -> None:
    path = put(root, "sleep.csv", b"one")
    file = listed(storage, "sleep.csv")
    changed = path.stat()
    path.write_bytes(b"two")
    with pytest.MonkeyPatch.context() as clock:
        same_tick = os.stat_result(
            tuple(changed),
            {name: getattr(changed, name) for name in ("st_mtime_ns", "st_ctime_ns", "st_mtime", "st_ctime")},
        )
        clock.setattr(os, "fstat", lambda _descriptor: same_tick)
        assert not storage.confirms(file, checksum(b"one"))
        assert storage.confirms(file, checksum(b"two"))


def test_a_change_through_a_mapping_is_found_by_reading_again(root: Path, storage: LocalStorage) -> None:
    """The kernel notes the time of the first change of a page, and not of those that follow."""
    path = put(root, "sleep.csv", b"one")
    with path.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapping:
        mapping[0:3] = b"two"
        time.sleep(0.05)
        file = listed(storage, "sleep.csv")
        mapping[0:3] = b"six"
        assert listed(storage, "sleep.csv").version == file.version
        assert not storage.confirms(file, checksum(b"two"))
        assert storage.confirms(file, checksum(b"six"))


def test_a_file_on_another_device_is_another_file(root: Path, storage: LocalStorage) -> None:
    put(root, "sleep.csv", b"one")
    file = listed(storage, "sleep.csv")
    elsewhere = replace(file, device=(file.device or 0) + 1)
    assert not storage.confirms(elsewhere, checksum(b"one"))
    with pytest.raises(FileRefusedError, match="changed after it was listed"):
        storage.open(elsewhere)


def test_a_link_that_leads_to_another_file_while_it_is_read_is_refused(root: Path, storage: LocalStorage) -> None:
    put(root, "..1/sleep.csv", b"one")
    put(root, "..2/sleep.csv", b"two")
    link = root / "sleep.csv"
    link.symlink_to("..1/sleep.csv")
    file = listed(storage, "sleep.csv")
    link.unlink()
    link.symlink_to("..2/sleep.csv")
    with pytest.raises(FileRefusedError, match="changed after it was listed"):
        storage.open(file)


def test_an_open_file_is_read_to_its_end_even_where_another_takes_its_name(root: Path, storage: LocalStorage) -> None:
    path = put(root, "sleep.csv", b"old")
    file = listed(storage, "sleep.csv")
    with storage.open(file) as stream:
        put(root, ".other", b"new").replace(path)
        assert stream.read() == b"old"
    assert not storage.confirms(file, checksum(b"old"))
    assert content_of(storage, "sleep.csv") == b"new"


def test_a_link_inside_is_a_file(root: Path, storage: LocalStorage) -> None:
    """Kubernetes mounts a ConfigMap this way."""
    put(root, "..data/sleep.csv", b"content")
    (root / "sleep.csv").symlink_to("..data/sleep.csv")
    assert names(storage) == ["sleep.csv"]
    assert content_of(storage, "sleep.csv") == b"content"


def test_the_root_may_be_a_link(root: Path, tmp_path: Path) -> None:
    put(root, "sleep.csv", b"content")
    (tmp_path / "link").symlink_to(root)
    assert content_of(LocalStorage(tmp_path / "link"), "sleep.csv") == b"content"


def refused(storage: LocalStorage, name: str) -> str:
    with pytest.raises(FileRefusedError) as caught:
        storage.open(listed(storage, name))
    assert caught.value.hint
    return str(caught.value)


@pytest.mark.parametrize("target", ["../secret.csv", "{outside}/secret.csv", "../landing-2/secret.csv"])
def test_a_link_that_leads_out_is_listed_and_refused(target: str, root: Path, storage: LocalStorage) -> None:
    put(root.parent, "secret.csv")
    put(root.parent, "landing-2/secret.csv")
    (root / "sleep.csv").symlink_to(target.format(outside=root.parent))
    assert names(storage) == ["sleep.csv"]
    assert "points outside" in refused(storage, "sleep.csv")


def test_a_name_that_leads_out_is_refused(root: Path, storage: LocalStorage) -> None:
    put(root.parent, "secret.csv")
    for name in ("../secret.csv", str(root.parent / "secret.csv")):
        with pytest.raises(FileRefusedError, match="points outside"):
            storage.open(StoredFile(name, 1, ""))


def test_a_linked_folder_is_named_and_not_entered(root: Path, storage: LocalStorage) -> None:
    put(root.parent, "elsewhere/sleep.csv")
    put(root, "folder/sleep.csv")
    (root / "out").symlink_to(root.parent / "elsewhere")
    (root / "folder/back").symlink_to(root)
    assert names(storage) == ["out", "folder/back", "folder/sleep.csv"]
    assert "points outside" in refused(storage, "out")
    assert "regular file" in refused(storage, "folder/back")


def test_a_pipe_is_refused_without_waiting_for_its_writer(root: Path, storage: LocalStorage) -> None:
    os.mkfifo(root / "sleep.csv")
    assert names(storage) == ["sleep.csv"]
    assert "regular file" in refused(storage, "sleep.csv")


@pytest.mark.parametrize("target", ["sleep.csv", "gone.csv"])
def test_a_link_to_nothing_is_refused(target: str, root: Path, storage: LocalStorage) -> None:
    (root / "sleep.csv").symlink_to(target)
    assert names(storage) == ["sleep.csv"]
    refused(storage, "sleep.csv")


def test_a_file_that_vanishes_is_refused(root: Path, storage: LocalStorage) -> None:
    path = put(root, "sleep.csv")
    (file,) = storage.list()
    path.unlink()
    with pytest.raises(FileRefusedError, match="No such file"):
        storage.open(file)


def test_a_folder_that_vanishes_holds_nothing(root: Path, storage: LocalStorage) -> None:
    put(root, "a/sleep.csv")
    put(root, "sleep.csv")
    files = storage.list()
    assert next(files).name == "sleep.csv"
    shutil.rmtree(root / "a")
    assert list(files) == []


def test_a_file_without_the_right_to_read_it_is_refused(
    root: Path, storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permission bits do not bind root, so the refusal is the operating system's as a double."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    put(root, "sleep.csv")
    (file,) = storage.list()
    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(FileRefusedError, match=r"cannot be read \(Permission denied\)") as caught:
        storage.open(file)
    assert f"user {os.geteuid()}" in (caught.value.hint or "")


def test_a_folder_that_cannot_be_listed_is_not_passed_over(
    root: Path, storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(root, "closed/sleep.csv")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ConfigurationError, match=r"closed cannot be listed \(Permission denied\)"):
        names(storage)


def test_a_missing_directory_names_itself_and_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere does not exist") as caught:
        open_storage(str(tmp_path / "nowhere"))
    assert "--data-dir" in (caught.value.hint or "")


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a directory"):
        open_storage(str(put(tmp_path, "sleep.csv")))


def test_a_directory_without_the_right_to_list_it_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(ConfigurationError, match="is not readable"):
        open_storage(str(root))

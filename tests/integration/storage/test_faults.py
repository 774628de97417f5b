"""Faults between client and store: what is read is the object, whole, or an error that says what to do."""

import hashlib
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest

from ingestion import log
from ingestion.errors import BadDataError, ConfigurationError, FileRefusedError, StorageUnavailableError
from ingestion.storage import open_storage
from tests.integration.storage.conftest import Zone
from tests.integration.storage.proxy import Fault, Kind, Script
from tests.integration.storage.servers import AZURE_KEY, S3_SECRET

CONTENT = bytes(range(256)) * 4096
NAME = "sleep.csv"


def of_the_object(method: str, path: str) -> bool:
    return method == "GET" and urlsplit(path).path.endswith(("sleep.csv", "sleep%2Ecsv"))


def reads(script: Script) -> list[tuple[str | None, int]]:
    # the client may have the last byte before the proxy has counted it
    time.sleep(0.05)
    return [(seen.range, seen.sent) for seen in script.seen if of_the_object(seen.method, seen.path)]


@pytest.mark.parametrize("after", [0, 1, 300_000, len(CONTENT) - 1])
def test_a_body_cut_off_goes_on_at_the_byte_where_it_broke(after: int, store: Zone) -> None:
    store.put(NAME, CONTENT)
    file = store.listed(NAME)
    script = store.proxy.breaks(Fault("cut", after), matches=of_the_object)
    with store.open().open(file) as stream:
        assert stream.read() == CONTENT
    (first_range, first), (second_range, second) = reads(script)
    assert first_range is None
    assert second_range == (f"bytes={after}-" if after else None)
    assert first + second == len(CONTENT), "no byte is sent twice"
    assert all(seen.if_match for seen in script.seen), "each part is a part of the same state"


def test_a_body_cut_off_again_and_again_is_read_once(s3: Zone) -> None:
    s3.put(NAME, CONTENT)
    file = s3.listed(NAME)
    script = s3.proxy.breaks(*[Fault("cut", 150_000)] * 5, matches=of_the_object)
    with s3.open().open(file) as stream:
        assert stream.read() == CONTENT
    assert sum(sent for _, sent in reads(script)) == len(CONTENT)


@pytest.mark.parametrize("kind", ["500", "503", "reset"])
def test_what_passes_is_waited_for(kind: Kind, store: Zone) -> None:
    store.put(NAME, CONTENT)
    store.proxy.breaks(Fault(kind), Fault(kind), Fault(kind))
    assert store.names() == [NAME]
    file = store.listed(NAME)
    script = store.proxy.breaks(Fault(kind), Fault(kind), matches=of_the_object)
    with store.open().open(file) as stream:
        assert stream.read() == CONTENT
    assert not script.faults


def test_a_store_that_goes_silent_is_asked_again(s3: Zone) -> None:
    s3.put(NAME, CONTENT)
    file = s3.listed(NAME)
    script = s3.proxy.breaks(Fault("stall", 200_000), matches=of_the_object)
    with s3.open(seconds=1.0).open(file) as stream:
        assert stream.read() == CONTENT
    assert reads(script)[1] == ("bytes=200000-", len(CONTENT) - 200_000)


def test_a_slow_reader_loses_nothing(s3: Zone) -> None:
    s3.put(NAME, CONTENT)
    with s3.open(seconds=1.0).open(s3.listed(NAME)) as stream:
        begin = stream.read(1000)
        time.sleep(1.5)
        assert begin + stream.read() == CONTENT


def test_an_object_that_changes_while_the_line_is_down_is_no_mixture(store: Zone) -> None:
    store.put(NAME, CONTENT)
    file = store.listed(NAME)
    script = store.proxy.breaks(Fault("cut", 300_000), matches=of_the_object)
    script.on_fault = lambda: store.put(NAME, CONTENT[::-1])
    with store.open().open(file) as stream, pytest.raises(FileRefusedError, match="changed"):
        stream.read()
    assert store.read(NAME) == CONTENT[::-1]


def test_a_store_that_stays_down_is_given_up_in_time(store: Zone, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json")
    store.put(NAME, CONTENT)
    store.proxy.breaks(*[Fault("503")] * 1000)
    began = time.monotonic()
    with pytest.raises(StorageUnavailableError, match="has failed for 1 s: 503 SlowDown") as caught:
        list(store.open(seconds=1.0).list())
    assert time.monotonic() - began < 3
    assert caught.value.exit_code == 69
    assert "run again" in (caught.value.hint or "")
    shown = capsys.readouterr().out + str(caught.value) + str(caught.value.hint)
    assert "retrying in" in shown
    assert S3_SECRET not in shown
    assert AZURE_KEY not in shown


def test_nobody_at_the_endpoint(s3: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageUnavailableError, match="connection refused") as caught:
        list(s3.open(seconds=0.5).list())
    assert "AWS_ENDPOINT_URL" in (caught.value.hint or "")


def test_an_upload_whose_answer_is_lost_is_there_once(s3: Zone, tmp_path_factory: pytest.TempPathFactory) -> None:
    source = tmp_path_factory.mktemp("source") / NAME
    source.write_bytes(CONTENT)
    s3.proxy.breaks(Fault("503"), Fault("cut"), matches=lambda method, _path: method == "PUT")
    s3.open().add(NAME, source, hashlib.sha256(CONTENT).hexdigest())
    assert s3.read(NAME) == CONTENT


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("AWS_ACCESS_KEY_ID", "AKIANOTKNOWN", "rejects the credentials .403 InvalidAccessKeyId"),
        ("AWS_SECRET_ACCESS_KEY", "wrong", "rejects the credentials .403 SignatureDoesNotMatch"),
        ("AWS_ACCESS_KEY_ID", "nobody", "is denied .403 AccessDenied"),
    ],
)
def test_credentials_that_do_not_do(
    setting: str, value: str, message: str, seaweedfs: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, value)
    with pytest.raises(ConfigurationError, match=message) as caught:
        seaweedfs.names()
    assert "credentials" in (caught.value.hint or "") or "AWS_ACCESS_KEY_ID" in (caught.value.hint or "")


def test_an_object_that_may_not_be_read_is_refused_and_not_the_run(s3: Zone) -> None:
    s3.put(NAME, CONTENT)
    file = s3.listed(NAME)
    script = s3.proxy.breaks(Fault("403"), matches=of_the_object)
    with pytest.raises(FileRefusedError, match="denied") as caught:
        s3.open().open(file)
    assert "read" in (caught.value.hint or "")
    assert not script.faults


def test_folders_that_consoles_make_are_no_files(s3: Zone) -> None:
    for name in ("2026/", "2026/01/", "2026/01/sleep.csv"):
        s3.put(name, b"" if name.endswith("/") else b"x")
    assert s3.names() == ["2026/01/sleep.csv"]


def test_names_that_no_path_can_have_spoil_their_folder_only(s3: Zone) -> None:
    for name in ("a//b.csv", "b/../sleep.csv", "b/sleep.csv", "c/sleep.csv", "sleep.csv"):
        s3.put(name, b"x")
    found: list[str] = []
    with pytest.raises(BadDataError, match="has invalid names") as caught:
        found.extend(_names_until_an_error(s3, found))
    assert {"c/sleep.csv", "sleep.csv"} <= set(found)
    assert len(found) == len(set(found))
    assert "a/" in str(caught.value)


def _names_until_an_error(zone: Zone, found: list[str]) -> list[str]:
    files = zone.open().list()
    while (file := next(files, None)) is not None:
        found.append(file.name)
    return []


KEYS, PAGE = 3000, 100


class Pages(BaseHTTPRequestHandler):
    """A bucket of many keys, a hundred to a page."""

    protocol_version = "HTTP/1.1"
    requests = 0
    fails_at: tuple[int, ...] = ()

    def log_message(self, *_arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        type(self).requests += 1
        query = parse_qs(urlsplit(self.path).query)
        start = 0
        if token := query.get("continuation-token"):
            start = int(token[0])
        elif after := query.get("start-after"):
            start = int(after[0].removesuffix("/sleep.csv")) + 1
        status, body = 200, self._page(start)
        if self.requests in self.fails_at:
            status, body = 500, b""
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _page(self, start: int) -> bytes:
        end = min(start + PAGE, KEYS)
        keys = "".join(
            f"<Contents><Key>{i:06d}/sleep.csv</Key><LastModified>2026-01-01T00:00:00Z</LastModified>"
            f'<ETag>"{i}"</ETag><Size>1</Size></Contents>'
            for i in range(start, end)
        )
        more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < KEYS else ""
        return f"<ListBucketResult><IsTruncated>{bool(more)!s:.5}</IsTruncated>{keys}{more}</ListBucketResult>".encode()


@pytest.fixture
def pages(s3: Zone, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Pages]]:
    handler = type("_Pages", (Pages,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    yield handler
    server.shutdown()
    server.server_close()


def test_a_long_list_is_streamed_a_page_at_a_time(pages: type[Pages]) -> None:
    files = open_storage("s3://bucket").list()
    next(files)
    at_first = pages.requests
    assert at_first <= 1000 // PAGE + 1, "a first file takes no more than the first thousand"
    assert 1 + sum(1 for _ in files) == KEYS
    assert pages.requests == KEYS // PAGE, "a request a page, and none a key"


def test_a_list_that_breaks_off_goes_on_behind_the_last_file(pages: type[Pages]) -> None:
    pages.fails_at = (7, 8, 20)
    names = [file.name for file in open_storage("s3://bucket").list()]
    assert names == [f"{i:06d}/sleep.csv" for i in range(KEYS)]

"""Loading from an object store (SeaweedFS on loopback) beside loading from a directory, and listing a large bucket."""

import hashlib
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.parse import parse_qs, urlsplit

from ingestion.config import exported
from ingestion.storage import Storage, open_storage
from scripts.bench.clients import ClientFailedError, Measurement
from scripts.bench.inputs import Sizes, generate
from scripts.bench.pipeline import Pipeline, check_loaded
from scripts.bench.scenario import Bench, Scenario, Spec, Step, of_process, one
from tests.integration.storage.servers import s3_environ, seaweedfs

_CHUNK_BYTES = 1 << 18
_PAGE = 1000


class _Pages(BaseHTTPRequestHandler):
    """A bucket that lists many keys and contains no objects."""

    protocol_version = "HTTP/1.1"
    keys = 0

    def log_message(self, *_arguments: object) -> None:
        """Keep the log empty."""

    def do_GET(self) -> None:
        """Answer with the next page of keys."""
        token = parse_qs(urlsplit(self.path).query).get("continuation-token", ["0"])[0]
        start, end = int(token), min(int(token) + _PAGE, self.keys)
        keys = "".join(
            f"<Contents><Key>{i:09d}/sleep.csv</Key><LastModified>2026-01-01T00:00:00Z</LastModified>"
            f'<ETag>"{i}"</ETag><Size>1</Size></Contents>'
            for i in range(start, end)
        )
        more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < self.keys else ""
        body = f"<ListBucketResult><IsTruncated>{'true' if more else 'false'}</IsTruncated>{keys}{more}".encode()
        body += b"</ListBucketResult>"
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _steps(bench: Bench) -> Sequence[Step]:
    path = _file(bench.sizes)
    store = seaweedfs(bench.stack, Path(bench.stack.enter_context(TemporaryDirectory())))
    store.put(store.bucket, f"exports/{path.name}", path.read_bytes())
    # not through the proxy of the tests, which is slow
    endpoint = "http://{}:{}".format(*store.upstream)
    bench.stack.enter_context(exported({**store.environ, "AWS_ENDPOINT_URL": endpoint}))
    location = f"s3://{store.bucket}/exports"
    steps = [one("storage-sha256", lambda: _timed(lambda: hashlib.sha256(path.read_bytes())))]
    for name, zone in (("directory", str(path.parent)), ("bucket", location)):
        steps += [
            one(f"storage-{name}-read", lambda zone=zone: _timed(lambda: _read_all(open_storage(zone)))),  # type: ignore[misc]
            _first_and_again(bench, f"storage-{name}", zone),
        ]
    return [*steps, one("storage-list", lambda: _list_many(bench.sizes.keys))]


def _file(sizes: Sizes) -> Path:
    return generate(sizes.stored_rows)


def _first_and_again(bench: Bench, name: str, location: str) -> Step:
    first, again = f"{name}-first", f"{name}-again"
    pipeline = Pipeline()

    def measure() -> Mapping[str, Measurement]:
        with bench.migrated(pipeline) as database:
            measured = {each: of_process(pipeline.ingest(bench.server, database, location)) for each in (first, again)}
            check_loaded(database, 1, bench.sizes.stored_rows)
            return measured

    return Step((first, again), measure)


def _timed(work: Callable[[], object]) -> Measurement:
    begin = time.perf_counter()
    work()
    return Measurement(time.perf_counter() - begin)


def _read_all(storage: Storage) -> None:
    for file in storage.list():
        with storage.open(file) as stream:
            while stream.read(_CHUNK_BYTES):
                pass


def _list_many(keys: int) -> Measurement:
    """List a bucket with many keys; the time and the memory include those of the server, which is in this process."""
    handler = type("_Pages", (_Pages,), {"keys": keys})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    with exported(s3_environ(f"http://127.0.0.1:{server.server_address[1]}")):
        files = open_storage("s3://bucket").list()
        next(files)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begin = time.perf_counter()
        found = 1 + sum(1 for _ in files)
        seconds = time.perf_counter() - begin
    server.shutdown()
    held = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    if found != keys:
        raise ClientFailedError(f"the bucket has {keys} keys and {found} were listed")
    return Measurement(seconds, peak_megabytes=held)


_ZONES = {"directory": "a directory", "bucket": "SeaweedFS"}
_TITLES = {
    "read": "read from {zone}",
    "first": "**ingest** from {zone}, first load",
    "again": "**ingest** from {zone} again, nothing new",
}

SCENARIOS = (
    Scenario(
        "storage",
        "storage",
        (
            Spec("storage-sha256", "SHA-256 of {stored_rows:,} rows"),
            *(
                Spec(f"storage-{name}-{what}", title.format(zone=zone))
                for name, zone in _ZONES.items()
                for what, title in _TITLES.items()
            ),
            Spec("storage-list", "list a bucket of {keys:,} keys"),
        ),
        lambda sizes: [_file(sizes).parent],
        _steps,
    ),
)

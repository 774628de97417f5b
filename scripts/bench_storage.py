"""Measure loading from an object store (SeaweedFS on loopback) beside loading from a directory.

Usage: python -m scripts.bench_storage [--rows 500000] [--repetitions 3] [--keys 100000]
"""

import argparse
import hashlib
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from threading import Thread
from urllib.parse import parse_qs, urlsplit

from ingestion import embedded
from ingestion.config import Database
from ingestion.storage import Storage, open_storage
from scripts.bench_clients import fresh_database, machine, measure
from scripts.bench_inputs import BUILD, generate
from tests.integration.storage.servers import s3_environ, seaweedfs

_CHUNK_BYTES = 1 << 18
_PAGE = 1000


class Pages(BaseHTTPRequestHandler):
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


def read_all(storage: Storage) -> int:
    """Read every file to its end and return the number of bytes."""
    size = 0
    for file in storage.list():
        with storage.open(file) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                size += len(chunk)
    return size


def seconds_of(work: Callable[[], object], repetitions: int) -> float:
    """Return the median duration."""
    durations = []
    for _ in range(repetitions):
        begin = time.perf_counter()
        work()
        durations.append(time.perf_counter() - begin)
    return median(durations)


def ingest(server: Database, location: str) -> tuple[float, float]:
    """Return the seconds of a first ingest and of a second one that finds nothing new."""
    with fresh_database(server) as database:
        environment = {"DATABASE_URL": database.dsn, "PIPELINE_LOG_FORMAT": "json"}
        command = [sys.executable, "-m", "ingestion", "ingest", "--data-dir", location, "--use-manifest"]
        measure([*command[:3], "migrate"], environment)
        return measure(command, environment)[0].seconds, measure(command, environment)[0].seconds


def list_many(keys: int) -> None:
    """List a bucket with many keys, and print the time and memory that it took."""
    handler = type("_Pages", (Pages,), {"keys": keys})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    os.environ.update(s3_environ(f"http://127.0.0.1:{server.server_address[1]}"))
    files = open_storage("s3://bucket").list()
    next(files)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    found = 1 + sum(1 for _ in files)
    seconds = time.perf_counter() - begin
    held = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    server.shutdown()
    print(f"list {found:,} keys: {seconds:.2f} s, {held:.1f} MB more memory at the peak (both include the server)\n")


def main() -> None:
    """Read the command line, measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000, help="rows of the file (default: %(default)s)")
    parser.add_argument(
        "--repetitions", type=int, default=3, help="print the median of this many measurements (default: %(default)s)"
    )
    parser.add_argument("--keys", type=int, default=100_000, help="keys to list (default: %(default)s)")
    arguments = parser.parse_args()

    list_many(arguments.keys)
    path = generate(arguments.rows)
    content = path.read_bytes()
    size = len(content) / 1e6
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = seaweedfs(stack, folder)
        store.put(store.bucket, f"exports/{path.name}", content)
        os.environ.update(store.environ)
        # Not through the proxy of the tests, which is slow.
        os.environ["AWS_ENDPOINT_URL"] = "http://{}:{}".format(*store.upstream)
        zones = {"local directory": str(path.parent), "SeaweedFS (S3)": f"s3://{store.bucket}/exports"}
        data_directory = BUILD / "postgres"
        shutil.rmtree(data_directory, ignore_errors=True)
        server = stack.enter_context(embedded.server(data_directory))
        print(f"{arguments.rows:,} rows, {size:.0f} MB; median of {arguments.repetitions}; {machine()}\n")
        print(f"{'':<18}{'read':>10}{'MB/s':>8}{'SHA-256':>10}{'ingest':>10}{'MB/s':>8}{'no change':>12}")
        digest = seconds_of(lambda: hashlib.sha256(content), arguments.repetitions)
        for name, location in zones.items():
            storage = open_storage(location)
            read = seconds_of(lambda storage=storage: read_all(storage), arguments.repetitions)  # type: ignore[misc]
            first, again = (
                median(values)
                for values in zip(*(ingest(server, location) for _ in range(arguments.repetitions)), strict=True)
            )
            print(
                f"{name:<18}{read:>8.2f} s{size / read:>8.0f}{digest:>8.2f} s"
                f"{first:>8.2f} s{size / first:>8.1f}{again:>10.2f} s"
            )


if __name__ == "__main__":
    main()

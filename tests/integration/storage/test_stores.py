"""Where a store is, and who one is there: the settings of the stores' own tools."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ingestion import log
from ingestion.errors import ConfigurationError
from ingestion.storage import LocalStorage, open_storage
from tests.integration.storage.conftest import Zone, store_zone
from tests.integration.storage.servers import AZURE_ACCOUNT, AZURE_KEY, S3_KEY, S3_SECRET

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL")


@pytest.fixture
def profiles(seaweedfs: Zone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No settings but what is in the files of the AWS tools."""
    seaweedfs.put("sleep.csv", b"x")
    for name in KEYS:
        monkeypatch.delenv(name)
    for name in ("config", "credentials"):
        (tmp_path / name).touch()
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def endpoint(zone: Zone) -> str:
    return f"region = us-east-1\nendpoint_url = {zone.proxy.url}\n"


def test_the_default_profile(profiles: Path, seaweedfs: Zone) -> None:
    (profiles / "config").write_text(f"[default]\n{endpoint(seaweedfs)}")
    keys = f"[default]\naws_access_key_id = {S3_KEY}\naws_secret_access_key = {S3_SECRET}\n"
    (profiles / "credentials").write_text(keys)
    assert seaweedfs.names() == ["sleep.csv"]
    assert S3_SECRET not in log.redact(f"a {S3_SECRET} b")


def test_a_named_profile_with_a_command(profiles: Path, seaweedfs: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"Version": 1, "AccessKeyId": S3_KEY, "SecretAccessKey": S3_SECRET, "Expiration": "2099-01-01T00:00:00Z"}
    (profiles / "answer.json").write_text(json.dumps(answer))
    command = f"cat {profiles / 'answer.json'}"
    (profiles / "config").write_text(f"[profile other]\n{endpoint(seaweedfs)}credential_process = {command}\n")
    monkeypatch.setenv("AWS_PROFILE", "other")
    assert seaweedfs.names() == ["sleep.csv"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("", "the AWS profile other does not exist"),
        ("[profile other]\ncredential_process = false\n", "returned no credentials"),
        ("[profile other]\nsso_session = x\nsso_account_id = 1\n", "boto3|sso"),
        ("nonsense", "not a valid configuration file"),
    ],
)
def test_a_profile_that_does_not_do(
    config: str, message: str, profiles: Path, seaweedfs: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    (profiles / "config").write_text(config)
    monkeypatch.setenv("AWS_PROFILE", "other")
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ConfigurationError, match=message) as caught:
        seaweedfs.open()
    assert caught.value.hint


def test_no_credentials_at_all(profiles: Path, seaweedfs: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ConfigurationError, match="no credentials") as caught:
        seaweedfs.open()
    assert "AWS_PROFILE" in (caught.value.hint or "")


def test_a_machine_without_a_role(profiles: Path, seaweedfs: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers at the address of the metadata service, which is on loopback here."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", seaweedfs.proxy.url)
    with pytest.raises(ConfigurationError, match="no credentials"):
        list(seaweedfs.open(seconds=1.0).list())


def test_empty_settings_are_none(seaweedfs: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files make them of variables that are not set."""
    seaweedfs.put("sleep.csv", b"x")
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "")
    assert seaweedfs.names() == ["sleep.csv"]


def test_an_azure_account_by_its_variables(servers, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    zone = store_zone(servers("azurite"), monkeypatch)
    zone.put("sleep.csv", b"x")
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
    with pytest.raises(ConfigurationError, match=r"the storage account of .* is unknown"):
        zone.open()
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", AZURE_ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", AZURE_KEY)
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", f"{zone.proxy.url}/{AZURE_ACCOUNT}")
    assert zone.names() == ["sleep.csv"]
    assert AZURE_KEY not in log.redact(AZURE_KEY)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", AZURE_KEY[::-1].strip("="))
    with pytest.raises(ConfigurationError) as caught:
        zone.names()
    assert AZURE_KEY[::-1].strip("=") not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), ("nonsense", "not a key file"), ('{"type": "service_account"}', "are invalid")],
)
def test_a_google_key_file_that_does_not_do(
    content: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key.json"
    if content:
        path.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(ConfigurationError, match=message):
        open_storage("gs://bucket")


def test_a_google_key_file(servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Workload identity federation is left to google-auth, which is named where it is missing."""
    path = tmp_path / "key.json"
    path.write_text('{"type": "external_account"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    monkeypatch.setitem(sys.modules, "google.auth", None)
    monkeypatch.setitem(sys.modules, "google", None)
    with pytest.raises(ConfigurationError, match="google-auth"):
        open_storage("gs://bucket")


@pytest.mark.parametrize("location", ["s3://", "s3:///x", "s3://bucket/a//b", "s3://bucket/../x", "ftp://x/y"])
def test_a_location_that_is_none(location: str) -> None:
    with pytest.raises(ConfigurationError, match=r"not a valid location|not supported"):
        open_storage(location)


def test_a_file_url_is_a_directory(tmp_path: Path) -> None:
    assert isinstance(open_storage(f"file://{tmp_path}"), LocalStorage)


def test_a_directory_does_not_load_the_library(tmp_path: Path) -> None:
    code = (
        "import sys; from ingestion.cli import main; from ingestion.storage import open_storage\n"
        "open_storage(sys.argv[1]); sys.exit('obstore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path], check=False).returncode == 0


def test_a_large_object_takes_little_memory(s3: Zone, tmp_path: Path) -> None:
    s3.put("sleep.csv", b"0123456789abcdef" * (96 << 16))
    code = (
        "import resource, sys; from ingestion.storage import open_storage\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "storage = open_storage(sys.argv[1]); (file,) = storage.list(); stream = storage.open(file)\n"
        "n = len(stream.read(1 << 20)); before = peak()\n"
        "while chunk := stream.read(1 << 18): n += len(chunk)\n"
        "print(n, peak() - before)"
    )
    shown = subprocess.run([sys.executable, "-c", code, s3.location], check=True, capture_output=True, text=True).stdout
    size, kilobytes = map(int, shown.split())
    assert size == 96 << 20
    assert kilobytes < 16 << 10

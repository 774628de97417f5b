"""Connect to object stores, with the settings that their own tools use.

The library reads most of the environment itself. This module adds AWS profiles, Azure connection strings, emulators,
and errors that say what to do.
"""

import configparser
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from ingestion import log
from ingestion.config.libraries import STORAGE_SETTINGS
from ingestion.errors import ConfigurationError
from ingestion.storage.faults import Place
from ingestion.storage.objects import Connection

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Credential

_FAMILIES = ("AWS_", "AZURE_", "GOOGLE_", "STORAGE_EMULATOR_HOST")
_SECRETS = tuple(each.name for each in STORAGE_SETTINGS if each.is_secret)
_CONNECT_SECONDS = 5
_LONGEST_SILENCE_SECONDS = 20.0
_COMMAND_SECONDS = 30
# how long a key is used if its command gives no expiry
_KEY_MINUTES = 15


@dataclass(frozen=True)
class _Target:
    make: Callable[..., S3Store | GCSStore | AzureStore]
    options: Mapping[str, Any]
    place: Place
    endpoint: str | None = None
    certificates: Path | None = None
    secrets: tuple[str | None, ...] = field(default=(), repr=False)


def connect(scheme: str, rest: str, timeout_seconds: float) -> Connection:
    """Return a connection to a store, without making a request.

    Arguments:
        scheme: s3, gs or az.
        rest: the bucket or container, and optionally a slash and a prefix.
        timeout_seconds: how long the store may fail without progress.

    Raises:
        ConfigurationError: the settings are incomplete or wrong.

    """
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    url = f"{scheme}://{bucket}/{prefix}".rstrip("/")
    if not bucket or any(segment in {"", ".", ".."} for segment in prefix.split("/") if prefix):
        raise ConfigurationError(
            f"{url} is not a valid location", hint=f"Write it as {scheme}://name-of-the-bucket/folder/folder."
        )
    environ = _environment()
    target = {"s3": _s3, "gs": _gcs, "az": _azure}[scheme](url, bucket, environ)
    log.hide([*(environ.get(name) for name in _SECRETS), *target.secrets])
    try:
        return Connection(
            _make(target, prefix, timeout_seconds, repeats=False),
            partial(_make, target, prefix, timeout_seconds, repeats=True),
            target.place,
        )
    except (BaseError, ValueError, OSError) as exc:
        # the library's text may quote a secret setting
        raise ConfigurationError(
            f"the settings for {url} are invalid ({type(exc).__name__})",
            hint=f"Check {target.place.credentials}; and {target.place.setting}.",
        ) from None


def _make(target: _Target, prefix: str, seconds: float, *, repeats: bool) -> S3Store | GCSStore | AzureStore:
    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
        "read_timeout": timedelta(seconds=min(_LONGEST_SILENCE_SECONDS, max(seconds / 3, 0.1))),
        # for the whole transfer of a file of any size
        "timeout": timedelta(days=1),
        "allow_http": bool(target.endpoint and target.endpoint.startswith("http://")),
    }
    if target.certificates:
        client["root_certificate"] = target.certificates.read_bytes()
    retry: RetryConfig = {
        "max_retries": 10 if repeats else 0,
        "retry_timeout": timedelta(seconds=seconds),
        "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=5), "base": 2},
    }
    return target.make(**target.options, prefix=prefix or None, client_options=client, retry_config=retry)


def _environment() -> Mapping[str, str]:
    """Return the environment without empty settings. Compose files create them, and the library would use them."""
    for name in [name for name, value in os.environ.items() if not value and name.startswith(_FAMILIES)]:
        del os.environ[name]
    return os.environ


def _first(environ: Mapping[str, str], *names: str) -> str | None:
    return next((environ[name] for name in names if environ.get(name)), None)


# S3 ------------------------------------------------------------------------------------------------------------------


def _s3(url: str, bucket: str, environ: Mapping[str, str]) -> _Target:
    place = Place(
        url,
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role of the machine or of its workload",
        "AWS_REGION (and AWS_ENDPOINT_URL for another store than Amazon's)",
    )
    profile = _Profile.read(environ)
    options: dict[str, Any] = {"bucket": bucket}
    secrets: tuple[str | None, ...] = ()
    if not _first(environ, "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        given, secrets = profile.credentials(environ)
        options |= given
        is_elsewhere = _first(
            environ,
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_SKIP_SIGNATURE",
        )
        if not given and not is_elsewhere and environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            raise ConfigurationError(f"no credentials found for {url}", hint=f"Set {place.credentials}.")
    region = _first(environ, "AWS_REGION", "AWS_DEFAULT_REGION") or profile.get("region")
    if region:
        options["region"] = region
    endpoint = _first(environ, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT") or profile.get("endpoint_url")
    if endpoint:
        options["endpoint"] = endpoint
    bundle = _first(environ, "AWS_CA_BUNDLE") or profile.get("ca_bundle")
    return _Target(S3Store, options, place, endpoint, Path(bundle) if bundle else None, secrets)


@dataclass(frozen=True)
class _Profile:
    """A profile of the AWS tools, from ~/.aws/config and ~/.aws/credentials."""

    name: str
    values: Mapping[str, str] = field(repr=False)

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "_Profile":
        name = _first(environ, "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
        config = Path(_first(environ, "AWS_CONFIG_FILE") or "~/.aws/config").expanduser()
        shared = Path(_first(environ, "AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()
        wanted = name or "default"
        sections = (
            _section(config, wanted if wanted == "default" else f"profile {wanted}"),
            _section(shared, wanted),
        )
        if name and not any(sections):
            raise ConfigurationError(
                f"the AWS profile {name} does not exist",
                hint=f"Add it to {config} or {shared}, or correct AWS_PROFILE.",
            )
        return cls(wanted, {key: value for section in sections for key, value in section.items()})

    def get(self, key: str) -> str | None:
        return self.values.get(key) or None

    def credentials(self, environ: Mapping[str, str]) -> tuple[dict[str, Any], tuple[str | None, ...]]:
        """Return options for the store, and the secrets among them."""
        if self.get("aws_access_key_id") and not self.get("role_arn"):
            names = {"access_key_id": "aws_access_key_id", "secret_access_key": "aws_secret_access_key"}
            keys = {option: self.get(key) for option, key in names.items()}
            token = self.get("aws_session_token")
            given = {**keys, **({"session_token": token} if token else {})}
            return given, tuple(given.values())
        if command := self.get("credential_process"):
            # run it now as well, because the library would not show its error
            _from_command(command, dict(environ))
            return {"credential_provider": lambda: _from_command(command, dict(environ))}, ()
        if token_file := self.get("web_identity_token_file"):
            return {"web_identity_token_file": token_file, "role_arn": self.get("role_arn")}, ()
        if any(key == "role_arn" or key.startswith("sso_") for key in self.values):
            return {"credential_provider": self._from_boto3()}, ()
        return {}, ()

    def _from_boto3(self) -> Any:
        try:
            session = import_module("boto3.session").Session(profile_name=self.name)
            return import_module("obstore.auth.boto3").Boto3CredentialProvider(session, ttl=timedelta(minutes=15))
        except ImportError:
            raise ConfigurationError(
                f"the AWS profile {self.name} signs in with a role or SSO, which needs boto3",
                hint="Install boto3 with pip, or give the profile a credential_process: "
                f"aws configure export-credentials --format process --profile {self.name}",
            ) from None


def _section(file: Path, name: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        raise ConfigurationError(f"{file} is not a valid configuration file", hint="Correct or remove it.") from None
    return dict(parser[name]) if parser.has_section(name) else {}


def _from_command(command: str, environ: Mapping[str, str]) -> "S3Credential":
    """Run a profile's credential_process, as the AWS tools do."""
    try:
        # the AWS tools define it as a shell command; it comes from the user's own file
        done = subprocess.run(  # noqa: S602
            command, shell=True, env=environ, capture_output=True, timeout=_COMMAND_SECONDS, check=True
        )
        answer = json.loads(done.stdout)
        log.hide([answer["SecretAccessKey"], answer.get("SessionToken"), answer["AccessKeyId"]])
        expiration = answer.get("Expiration")
        expires_at = (
            datetime.fromisoformat(expiration) if expiration else datetime.now(UTC) + timedelta(minutes=_KEY_MINUTES)
        )
        return {
            "access_key_id": answer["AccessKeyId"],
            "secret_access_key": answer["SecretAccessKey"],
            "token": answer.get("SessionToken"),
            "expires_at": expires_at,
        }
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as exc:
        raise ConfigurationError(
            f"the AWS profile's credential_process returned no credentials ({type(exc).__name__})",
            hint="Run the command by hand to see its error.",
        ) from None


# Google Cloud Storage ------------------------------------------------------------------------------------------------


def _gcs(url: str, bucket: str, environ: Mapping[str, str]) -> _Target:
    place = Place(
        url,
        "GOOGLE_APPLICATION_CREDENTIALS to the path of a key file, or give the machine or workload a service account",
        "GOOGLE_BASE_URL (unset but for an emulator)",
    )
    options: dict[str, Any] = {"bucket": bucket}
    secrets: tuple[str | None, ...] = ()
    emulator = _first(environ, "STORAGE_EMULATOR_HOST")
    endpoint = _first(environ, "GOOGLE_BASE_URL")
    if emulator:
        endpoint = emulator if "://" in emulator else f"http://{emulator}"
        # with `skip_signature`, uploads would still request a token from the metadata service
        options["credential_provider"] = lambda: {"token": "emulator", "expires_at": None}
    if endpoint:
        options["base_url"] = endpoint.rstrip("/")
    key_file = _first(environ, "GOOGLE_APPLICATION_CREDENTIALS")
    if key_file and not emulator:
        content = _key_file(Path(key_file))
        secrets = (content.get("private_key"), content.get("client_secret"), content.get("refresh_token"))
        if content.get("type") not in {"service_account", "authorized_user"}:
            options["credential_provider"] = _from_google_auth(content.get("type"))
    return _Target(GCSStore, options, place, endpoint, secrets=secrets)


def _key_file(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as exc:
        raise ConfigurationError(
            f"GOOGLE_APPLICATION_CREDENTIALS names {path}, which cannot be read ({exc.strerror})",
            hint="Mount the key file there, or correct the path.",
        ) from exc
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"GOOGLE_APPLICATION_CREDENTIALS names {path}, which is not a key file",
            hint="Use the JSON key file of a service account.",
        )
    return content


def _from_google_auth(kind: str | None) -> Any:
    try:
        return import_module("obstore.auth.google").GoogleCredentialProvider()
    except ImportError:
        raise ConfigurationError(
            f"a key file of the type {kind} needs google-auth",
            hint="Install google-auth and requests with pip, or use the key of a service account.",
        ) from None


# Azure ---------------------------------------------------------------------------------------------------------------


def _azure(url: str, container: str, environ: Mapping[str, str]) -> _Target:
    place = Place(
        url,
        "AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN, AZURE_STORAGE_CONNECTION_STRING, AZURE_CLIENT_ID with "
        "AZURE_TENANT_ID and AZURE_CLIENT_SECRET or a federated token, or give the machine an identity",
        "AZURE_STORAGE_ACCOUNT_NAME (and AZURE_STORAGE_ENDPOINT for an emulator)",
    )
    given = _connection_string(environ.get("AZURE_STORAGE_CONNECTION_STRING", ""))
    options: dict[str, Any] = {"container_name": container}
    account = given.get("accountname") or _first(environ, "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT")
    key = given.get("accountkey") or _first(environ, "AZURE_STORAGE_KEY")
    signature = given.get("sharedaccesssignature")
    endpoint = given.get("blobendpoint") or _first(environ, "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
    if not endpoint and account and "endpointsuffix" in given:
        endpoint = f"{given.get('defaultendpointsprotocol', 'https')}://{account}.blob.{given['endpointsuffix']}"
    is_emulator = environ.get("AZURE_STORAGE_USE_EMULATOR", "").lower() in {"1", "true"}
    if not account and not is_emulator:
        raise ConfigurationError(
            f"the storage account of {url} is unknown",
            hint="Set AZURE_STORAGE_ACCOUNT_NAME, or AZURE_STORAGE_CONNECTION_STRING.",
        )
    found = {"account_name": account, "account_key": key, "sas_key": signature, "endpoint": endpoint}
    options |= {name: value for name, value in found.items() if value}
    http = "http://" if is_emulator else None
    return _Target(AzureStore, options, place, endpoint or http, secrets=(key, signature))


def _connection_string(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}

"""Interpret failures of an object store: whether to retry, and what to tell the user.

The library has few classes of errors, so this reads their text. It never shows that text, because URLs in it may
contain signatures.
"""

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from ingestion import log
from ingestion.errors import ConfigurationError, FileRefusedError, PipelineError, StorageUnavailableError
from ingestion.storage.base import changed

_T = TypeVar("_T")

# the library raises FileNotFoundError for status 404
STORE_ERRORS = (BaseError, FileNotFoundError, TimeoutError)

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
# a metadata service may start a little later than the job; a laptop has none
_CREDENTIALS_SECONDS = 10.0

_STATUS = re.compile(r"status code: (\d{3})|status: (\d{3}),")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_METADATA = re.compile(r"latest/api/token|latest/meta-data|computeMetadata|metadata/identity|/msi/token|oauth2")
_NETWORK = re.compile(
    r"Connection refused|Connection reset|timed out|TimedOut|dns error|certificate|end of file before|"
    r"connection closed|unreachable",
    re.IGNORECASE,
)
_NO_BUCKET = {"NoSuchBucket", "ContainerNotFound"}
_NO_OBJECT = {"NoSuchKey", "BlobNotFound"}
_DENIED = {"AccessDenied", "AuthorizationPermissionMismatch", "InsufficientAccountPermissions"}


@dataclass(frozen=True)
class Place:
    """A store, as messages describe it.

    Arguments:
        url: the URL of the landing zone.
        credentials: the settings that hold its credentials.
        setting: the other settings that locate it.

    """

    url: str
    credentials: str
    setting: str


@dataclass(frozen=True)
class Fault:
    """A failure of a store.

    Arguments:
        summary: a few words without secrets.
        error: the error to raise; None if the failure may be temporary.
        seconds: how long to retry before raising the error; None raises at once.

    """

    summary: str
    error: PipelineError | None = None
    seconds: float | None = None


def interpret(exc: Exception, place: Place) -> Fault:
    """Return what a failure of the library means.

    Arguments:
        exc: the error, one of `STORE_ERRORS`.
        place: the store that failed.

    """
    text = str(exc)
    match = _STATUS.search(text)
    status = int(match[1] or match[2]) if match else None
    code = found[1] if (found := _CODE.search(text)) else None
    summary = " ".join(str(part) for part in (status, code) if part) or _network(text)
    if status is None and _METADATA.search(text):
        return Fault("no credentials found", _no_credentials(place), _CREDENTIALS_SECONDS)
    if code in _NO_BUCKET or (status == 404 and code not in _NO_OBJECT and "list request" in text):  # noqa: PLR2004
        return Fault(summary, _no_bucket(place, summary))
    if isinstance(exc, PreconditionError | FileNotFoundError):
        return Fault(summary, changed())
    if status in {401, 403} or isinstance(exc, PermissionDeniedError | UnauthenticatedError):
        return Fault(summary, _denied(place, summary, code))
    return Fault(summary, _permanent(place, summary, status, text))


class DeniedError(ConfigurationError):
    """The credentials are valid, but lack a permission."""


class Patience:
    """Retries with pauses, as long as a store may fail. Any progress restarts that time.

    Arguments:
        place: the store.
        seconds: how long it may fail without progress.

    """

    def __init__(self, place: Place, seconds: float) -> None:
        self._place = place
        self._seconds = seconds
        self._failing_since: float | None = None
        self._pause = _FIRST_PAUSE_SECONDS

    def progress(self) -> None:
        """Record that the store has answered."""
        self._failing_since = None
        self._pause = _FIRST_PAUSE_SECONDS

    def wait(self, exc: Exception, began: float) -> None:
        """Wait before another attempt.

        Arguments:
            exc: the failure of the last attempt.
            began: the start of that attempt, by the monotonic clock.

        Raises:
            PipelineError: another attempt is useless, or the time is over.

        """
        fault = interpret(exc, self._place)
        if fault.error and fault.seconds is None:
            raise fault.error from exc
        if self._failing_since is None:
            self._failing_since = began
        pause = self._pause * random.uniform(0.5, 1.0)  # noqa: S311  (only spreads the clients)
        allowed = min(self._seconds, fault.seconds or self._seconds)
        if time.monotonic() + pause - self._failing_since > allowed:
            raise fault.error or StorageUnavailableError(
                f"{self._place.url} has failed for {allowed:g} s: {fault.summary}",
                hint=f"Check the store, and {self._place.setting}. Then run again: loaded files stay loaded.",
            ) from exc
        log.event(f"{self._place.url}: {fault.summary}; retrying in {pause:.1f} s")
        time.sleep(pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)

    def retry(self, request: Callable[[], _T]) -> _T:
        """Repeat a request until the store answers, and return the answer.

        Arguments:
            request: the request, which must be idempotent.

        Raises:
            PipelineError: as in `wait`.
            InvalidPathError: the answer contains a name that the library does not accept.

        """
        while True:
            began = time.monotonic()
            try:
                answer = request()
            except InvalidPathError:
                raise
            except STORE_ERRORS as exc:
                self.wait(exc, began)
            else:
                self.progress()
                return answer


def _network(text: str) -> str:
    match = _NETWORK.search(text)
    return match[0].lower() if match else "no answer"


def _no_credentials(place: Place) -> ConfigurationError:
    return ConfigurationError(f"no credentials found for {place.url}", hint=f"Set {place.credentials}.")


def _no_bucket(place: Place, summary: str) -> ConfigurationError:
    return ConfigurationError(
        f"{place.url}: the bucket or container does not exist ({summary})",
        hint=f"Create it, or correct PIPELINE_DATA_DIR or --data-dir. Check {place.setting}, too.",
    )


def _denied(place: Place, summary: str, code: str | None) -> ConfigurationError:
    if code in _DENIED:
        return DeniedError(
            f"access to {place.url} is denied ({summary})",
            hint="Allow these credentials to list the bucket and to read its objects. `land` also needs to write.",
        )
    return ConfigurationError(
        f"{place.url} rejects the credentials ({summary})",
        hint=f"Renew or correct them: {place.credentials}.",
    )


def _permanent(place: Place, summary: str, status: int | None, text: str) -> ConfigurationError | None:
    if status in {301, 307, 400}:
        return _rejected_request(place, summary)
    if "BadScheme" in text or "certificate" in summary:
        return _no_connection(place, summary)
    return None


def _rejected_request(place: Place, summary: str) -> ConfigurationError:
    return ConfigurationError(
        f"{place.url} rejects the request ({summary})",
        hint=f"Check the region and the endpoint: {place.setting}.",
    )


def _no_connection(place: Place, summary: str) -> ConfigurationError:
    return ConfigurationError(
        f"no secure connection to {place.url} ({summary})",
        hint=f"Correct {place.setting}. Set AWS_CA_BUNDLE or SSL_CERT_FILE for your own certificate authority.",
    )


def unreadable(exc: DeniedError) -> FileRefusedError:
    """Return the refusal of one file, for a missing permission to read it."""
    return FileRefusedError(f"cannot be read: {exc}", hint=exc.hint)

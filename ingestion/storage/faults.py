"""What an object store's failure means: whether it may pass, and what a person does about it.

The library's errors are told apart by their text: all that is not one of a few classes comes as one class. None of
that text is shown: it holds URLs, and those may hold signatures.
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

# FileNotFoundError is how the library says 404
STORE_ERRORS = (BaseError, FileNotFoundError, TimeoutError)

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
# a metadata service may come up a little later than the job that asks it, and on a laptop it never does
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
    """A store, as it is shown to a person.

    Arguments:
        url: of the landing zone.
        credentials: the settings that its credentials come from.
        setting: what else decides where it is.

    """

    url: str
    credentials: str
    setting: str


@dataclass(frozen=True)
class Fault:
    """A failure of a store.

    Arguments:
        summary: a few words, fit to be shown.
        error: what to raise where it does not pass; None where it may.
        seconds: how long at most to wait for it to pass.

    """

    summary: str
    error: PipelineError | None = None
    seconds: float | None = None


def understand(exc: Exception, place: Place) -> Fault:
    """Tell what a failure of the library means.

    Arguments:
        exc: one of `STORE_ERRORS`.
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
    return Fault(summary, _hopeless(place, summary, status, text))


class DeniedError(ConfigurationError):
    """The credentials are good, and not for this."""


class Patience:
    """How long a store may fail before it counts as down; any progress renews it.

    Arguments:
        place: the store.
        seconds: how long.

    """

    def __init__(self, place: Place, seconds: float) -> None:
        self._place = place
        self._seconds = seconds
        self._failing_since: float | None = None
        self._pause = _FIRST_PAUSE_SECONDS

    def progress(self) -> None:
        """Say that the store has answered."""
        self._failing_since = None
        self._pause = _FIRST_PAUSE_SECONDS

    def wait(self, exc: Exception, began: float) -> None:
        """Wait before another attempt.

        Arguments:
            exc: why the last one failed.
            began: when it began, by the monotonic clock.

        Raises:
            PipelineError: it is of no use, or it has taken too long.

        """
        fault = understand(exc, self._place)
        if fault.error and fault.seconds is None:
            raise fault.error from exc
        if self._failing_since is None:
            self._failing_since = began
        pause = self._pause * random.uniform(0.5, 1.0)  # noqa: S311  (no secret depends on it)
        allowed = min(self._seconds, fault.seconds or self._seconds)
        if time.monotonic() + pause - self._failing_since > allowed:
            raise fault.error or StorageUnavailableError(
                f"{self._place.url} has failed for {allowed:g} s: {fault.summary}",
                hint=f"Is the store up, and {self._place.setting} right? What was loaded stays loaded: run again.",
            ) from exc
        log.event(f"{self._place.url}: {fault.summary}: trying again in {pause:.1f} s")
        time.sleep(pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)

    def insist(self, request: Callable[[], _T]) -> _T:
        """Make a request until it is answered, and return the answer.

        Arguments:
            request: may be made any number of times.

        Raises:
            PipelineError: as `wait`.
            InvalidPathError: the answer has a name that the library does not take.

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
    return ConfigurationError(f"no credentials for {place.url} were found", hint=f"Set {place.credentials}.")


def _no_bucket(place: Place, summary: str) -> ConfigurationError:
    return ConfigurationError(
        f"{place.url}: there is no such bucket or container ({summary})",
        hint=f"Create it, or correct PIPELINE_DATA_DIR or --data-dir; is {place.setting} right?",
    )


def _denied(place: Place, summary: str, code: str | None) -> ConfigurationError:
    if code in _DENIED:
        return DeniedError(
            f"access to {place.url} is denied ({summary})",
            hint="Give these credentials the right to list the bucket and to read its objects; `land` writes, too.",
        )
    return ConfigurationError(
        f"{place.url} does not accept the credentials ({summary})",
        hint=f"Renew or correct them: {place.credentials}.",
    )


def _hopeless(place: Place, summary: str, status: int | None, text: str) -> ConfigurationError | None:
    if status in {301, 307, 400}:
        return _refused_request(place, summary)
    if "BadScheme" in text or "certificate" in summary:
        return _no_connection(place, summary)
    return None


def _refused_request(place: Place, summary: str) -> ConfigurationError:
    return ConfigurationError(
        f"{place.url} does not take requests like this ({summary})",
        hint=f"Most often the region or the endpoint is another one: see {place.setting}.",
    )


def _no_connection(place: Place, summary: str) -> ConfigurationError:
    return ConfigurationError(
        f"no safe connection to {place.url} ({summary})",
        hint=f"Correct {place.setting}; a certificate authority of your own goes into AWS_CA_BUNDLE or SSL_CERT_FILE.",
    )


def may_not_read(exc: DeniedError) -> FileRefusedError:
    """Return a store's refusal to hand out one object as the refusal of that file."""
    return FileRefusedError(f"cannot be read: {exc}", hint=exc.hint)

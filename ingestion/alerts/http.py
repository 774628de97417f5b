"""One HTTP request: verified certificates, a timeout, the environment's proxies, and no address in an error."""

import ssl
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from ingestion import __version__, log
from ingestion.alerts.channel import ChannelError, TemporaryError
from ingestion.config import AlertSettings

_TRY_AGAIN = {408, 425, 429}
_SERVER_ERROR = 500
_SHOWN = 200


def tls(settings: AlertSettings) -> ssl.SSLContext:
    """Return a context that trusts the system's authorities, and those of the settings.

    Arguments:
        settings: with a file of authorities, or without.

    """
    return _context(settings.ca_file)


@cache
def _context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as exc:
            raise ChannelError(f"{ca_file} cannot be read, or holds no certificates") from exc
    return context


class Http:
    """Sends requests.

    Arguments:
        settings: timeout and authorities.

    """

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings

    def send(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        params: dict[str, str] | None = None,
    ) -> requests.Response:
        """Send one request.

        Arguments:
            method: POST and so on.
            url: with user and password where the other side wants them.
            json: for the body.
            data: the body as bytes.
            headers: more of them.
            params: for the URL's query.

        Raises:
            ChannelError: it was not taken.

        """
        host = urlsplit(url).hostname
        with requests.Session() as session:
            session.mount("https://", _Adapter(tls(self._settings)))
            try:
                response = session.request(
                    method,
                    url,
                    json=json,
                    data=data,
                    params=params,
                    headers={"User-Agent": f"wearables-pipeline/{__version__}", **(headers or {})},
                    timeout=self._settings.timeout_seconds,
                    # a POST that is led elsewhere becomes a GET, and is lost
                    allow_redirects=False,
                )
            except requests.exceptions.SSLError as exc:
                raise ChannelError(f"no TLS with {host}: {_reason(exc)}") from exc
            except requests.Timeout as exc:
                raise TemporaryError(f"{host} gave no answer within {self._settings.timeout_seconds:g} s") from exc
            except requests.ConnectionError as exc:
                raise TemporaryError(f"no connection to {host}: {_reason(exc)}") from exc
            except requests.RequestException as exc:
                raise ChannelError(f"{host}: {type(exc).__name__}") from exc
        if response.is_redirect or not response.ok:
            _refuse(host, response)
        return response


def _refuse(host: str | None, response: requests.Response) -> None:
    said = log.redact(" ".join(response.text[:_SHOWN].split()))
    message = f"{host} answered {response.status_code}" + (f": {said}" if said else "")
    if response.status_code in _TRY_AGAIN or response.status_code >= _SERVER_ERROR:
        seconds = response.headers.get("Retry-After", "")
        raise TemporaryError(message, float(seconds) if seconds.isdecimal() else 0.0)
    raise ChannelError(message)


def _reason(exc: BaseException) -> str:
    """Return what the system said; the libraries' own words quote the address."""
    seen: list[BaseException] = [exc]
    for each in seen:
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"its certificate is refused: {each.verify_message}"
        if isinstance(each, OSError) and each.strerror and not isinstance(each, requests.RequestException):
            return each.strerror
        inner = [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
        seen += [other for other in inner if isinstance(other, BaseException) and other not in seen]
    return type(exc).__name__


class _Adapter(HTTPAdapter):
    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, **kwargs, ssl_context=self._context)

"""HTTP requests with verified certificates, a timeout, the environment's proxies, and no URL in an error."""

import ssl
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from ingestion import __version__, log
from ingestion.config import AlertSettings
from ingestion.sending.errors import ChannelError, TemporaryError

_TEMPORARY = {408, 425, 429}
_SERVER_ERROR = 500
_MAX_ANSWER = 200


def tls(settings: AlertSettings) -> ssl.SSLContext:
    """Return a context that trusts the system's certificate authorities and those of the settings.

    Arguments:
        settings: the settings of alerts.

    """
    return _context(settings.ca_file)


@cache
def _context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as exc:
            raise ChannelError(f"{ca_file} is unreadable or holds no certificates") from exc
    return context


class Http:
    """Sends requests.

    Arguments:
        settings: the timeout and the certificate authorities.

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
            method: POST, GET and so on.
            url: the address, with user and password if the server requires them.
            json: the body, to be sent as JSON.
            data: the body as bytes.
            headers: additional headers.
            params: parameters of the query.

        Raises:
            ChannelError: the server did not accept it.

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
                    # a redirected POST becomes a GET, and its body is lost
                    allow_redirects=False,
                )
            except requests.exceptions.SSLError as exc:
                raise ChannelError(f"TLS with {host} failed: {_reason(exc)}") from exc
            except requests.Timeout as exc:
                raise TemporaryError(f"{host} did not answer within {self._settings.timeout_seconds:g} s") from exc
            except requests.ConnectionError as exc:
                raise TemporaryError(f"cannot connect to {host}: {_reason(exc)}") from exc
            except requests.RequestException as exc:
                raise ChannelError(f"{host}: {type(exc).__name__}") from exc
        if response.is_redirect or not response.ok:
            _raise(host, response)
        return response


def _raise(host: str | None, response: requests.Response) -> None:
    answer = log.redact(" ".join(response.text[:_MAX_ANSWER].split()))
    message = f"{host} answered {response.status_code}" + (f": {answer}" if answer else "")
    if response.status_code in _TEMPORARY or response.status_code >= _SERVER_ERROR:
        seconds = response.headers.get("Retry-After", "")
        raise TemporaryError(message, float(seconds) if seconds.isdecimal() else 0.0)
    raise ChannelError(message)


def _reason(exc: BaseException) -> str:
    """Return the message of the system; those of the libraries quote the URL."""
    seen: list[BaseException] = [exc]
    for each in seen:
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {each.verify_message}"
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

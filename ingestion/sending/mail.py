"""A mail server: connects with TLS, signs in, and hands over one message."""

import smtplib
import socket
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from ingestion import log
from ingestion.config import AlertSettings
from ingestion.sending.errors import ChannelError, PartlyRefusedError, TemporaryError
from ingestion.sending.http import tls

_PERMANENT = 500


class MailServer:
    """Sends mail by one server.

    Arguments:
        url: its address, with user and password if it requires them.
        sender: whom the mail is from.
        settings: the timeout and the certificate authorities.

    """

    def __init__(self, url: str, sender: str, settings: AlertSettings) -> None:
        self._url = url
        self._host = urlsplit(url).hostname or ""
        self._sender = sender
        self._settings = settings

    @property
    def domain(self) -> str:
        """The domain of the sender, for the ids of messages."""
        return self._sender.rpartition("@")[2].strip("> ") or "localhost"

    def message(self, subject: str, to: Sequence[str], *, key: str | None = None) -> EmailMessage:
        """Return a message without a body.

        Arguments:
            subject: one line.
            to: the recipients.
            key: of a message that may be sent twice: it gets the same id, by which many servers know it.

        """
        message = EmailMessage()
        message["Subject"] = subject
        message["From"] = self._sender
        message["To"] = ", ".join(to)
        message["Date"] = formatdate(localtime=False)
        message["Message-ID"] = f"<{key}@{self.domain}>" if key else make_msgid(domain=self.domain)
        # keeps out-of-office notes away
        message["Auto-Submitted"] = "auto-generated"
        return message

    def send(self, message: EmailMessage) -> None:
        """Send a message.

        Arguments:
            message: the message, with its recipients.

        Raises:
            PartlyRefusedError: the server accepted it for some recipients only.
            ChannelError: the server did not accept it.

        """
        host, recipients = self._host, len(message["To"].addresses)
        try:
            with self._connect() as server:
                refused = server.send_message(message)
        except ssl.SSLCertVerificationError as exc:
            raise ChannelError(f"{host} has a certificate that is not trusted: {exc.verify_message}") from exc
        except smtplib.SMTPRecipientsRefused as exc:
            raise ChannelError(f"{host} refused all {recipients} recipients") from exc
        except smtplib.SMTPResponseException as exc:
            answer = exc.smtp_error.decode(errors="replace") if isinstance(exc.smtp_error, bytes) else exc.smtp_error
            text = f"{host} answered {exc.smtp_code}: {log.redact(' '.join(answer.split()))}"
            raise (ChannelError if exc.smtp_code >= _PERMANENT else TemporaryError)(text) from exc
        except smtplib.SMTPNotSupportedError as exc:
            raise ChannelError(f"{host} does not accept a password on this connection") from exc
        except (OSError, smtplib.SMTPException) as exc:
            if isinstance(exc, TimeoutError) or isinstance(exc.__context__, TimeoutError):
                raise TemporaryError(f"{host} did not answer within {self._settings.timeout_seconds:g} s") from exc
            reason = getattr(exc, "strerror", None) or log.redact(str(exc))
            raise TemporaryError(f"cannot connect to {host}: {reason}") from exc
        if refused:
            raise PartlyRefusedError(f"{host} refused {len(refused)} of {recipients} recipients")

    def _connect(self) -> smtplib.SMTP:
        url, host = urlsplit(self._url), self._host
        context = tls(self._settings)
        # smtplib would look up our full name in the DNS, which may take long
        local_name, timeout = socket.gethostname(), self._settings.timeout_seconds
        server: smtplib.SMTP
        if url.scheme == "smtps":
            server = smtplib.SMTP_SSL(host, url.port or 465, local_name, timeout=timeout, context=context)
        else:
            server = smtplib.SMTP(host, url.port or 587, local_name, timeout=timeout)
        try:
            if url.scheme == "smtp" and url.query != "tls=none":
                self._start_tls(server, host, context)
            if url.username and url.password:
                server.login(unquote(url.username), unquote(url.password))
        except BaseException:
            server.close()
            raise
        return server

    def _start_tls(self, server: smtplib.SMTP, host: str, context: ssl.SSLContext) -> None:
        server.ehlo()
        if not server.has_extn("starttls"):
            raise ChannelError(f"{host} offers no STARTTLS: write smtps://, or ?tls=none for a relay of your own")
        server.starttls(context=context)
        server.ehlo()

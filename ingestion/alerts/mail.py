"""Mail by SMTP: encrypted, and with a verified certificate, unless the settings say that there is none."""

import hashlib
import smtplib
import socket
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Self
from urllib.parse import unquote, urlsplit

from ingestion import log
from ingestion.alerts.alert import Alert
from ingestion.alerts.channel import Channel, ChannelError, TemporaryError
from ingestion.alerts.http import tls
from ingestion.config import AlertSettings

_PERMANENT = 500


class Mail(Channel):
    """Mail to one or more people."""

    @classmethod
    def configured(cls, settings: AlertSettings) -> Iterator[Self]:
        if settings.smtp_url:
            yield cls(settings, "email")

    def tell(self, alert: Alert) -> None:
        host = urlsplit(self._settings.smtp_url or "").hostname or ""
        try:
            with self._connect(host) as server:
                refused = server.send_message(self.message(alert))
        except ssl.SSLCertVerificationError as exc:
            raise ChannelError(f"the certificate of {host} is refused: {exc.verify_message}") from exc
        except smtplib.SMTPRecipientsRefused as exc:
            raise ChannelError(f"{host} takes mail for none of the recipients") from exc
        except smtplib.SMTPResponseException as exc:
            said = exc.smtp_error.decode(errors="replace") if isinstance(exc.smtp_error, bytes) else exc.smtp_error
            message = f"{host} answered {exc.smtp_code}: {log.redact(' '.join(said.split()))}"
            raise (ChannelError if exc.smtp_code >= _PERMANENT else TemporaryError)(message) from exc
        except smtplib.SMTPNotSupportedError as exc:
            raise ChannelError(f"{host} does not take a password here") from exc
        except (OSError, smtplib.SMTPException) as exc:
            if isinstance(exc, TimeoutError) or isinstance(exc.__context__, TimeoutError):
                raise TemporaryError(f"{host} gave no answer within {self._settings.timeout_seconds:g} s") from exc
            reason = getattr(exc, "strerror", None) or log.redact(str(exc))
            raise TemporaryError(f"no connection to {host}: {reason}") from exc
        if refused:
            raise ChannelError(f"{host} takes mail for {len(refused)} of the recipients not")

    def message(self, alert: Alert) -> EmailMessage:
        """Return the mail; those of one topic are one conversation."""
        sender = self._settings.email_from or self._settings.email_to[0]
        domain = sender.rpartition("@")[2].strip("> ") or "localhost"
        message = EmailMessage()
        message["Subject"] = alert.title
        message["From"] = sender
        message["To"] = ", ".join(self._settings.email_to)
        message["Date"] = formatdate(localtime=False)
        message["Message-ID"] = make_msgid(domain=domain)
        since = alert.since.isoformat() if alert.since else ""
        thread = hashlib.sha256(f"{alert.thread}{since}".encode()).hexdigest()[:24]
        message["References"] = f"<{thread}@{domain}>"
        # no holiday note comes back
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(alert.text + "\n")
        return message

    def _connect(self, host: str) -> smtplib.SMTP:
        url = urlsplit(self._settings.smtp_url or "")
        context = tls(self._settings)
        # smtplib's own choice asks the name server who we are, which may take long
        us, timeout = socket.gethostname(), self._settings.timeout_seconds
        server: smtplib.SMTP
        if url.scheme == "smtps":
            server = smtplib.SMTP_SSL(host, url.port or 465, us, timeout=timeout, context=context)
        else:
            server = smtplib.SMTP(host, url.port or 587, us, timeout=timeout)
        try:
            if url.scheme == "smtp" and url.query != "tls=none":
                self._encrypt(server, host, context)
            if url.username and url.password:
                server.login(unquote(url.username), unquote(url.password))
        except BaseException:
            server.close()
            raise
        return server

    def _encrypt(self, server: smtplib.SMTP, host: str, context: ssl.SSLContext) -> None:
        server.ehlo()
        if not server.has_extn("starttls"):
            raise ChannelError(f"{host} offers no STARTTLS: write smtps://, or ?tls=none for a relay of your own")
        server.starttls(context=context)
        server.ehlo()

"""E-mail.

```
PIPELINE_ALERT_SMTP_URL=smtps://user:password@mail.example.org:465
PIPELINE_ALERT_EMAIL_TO=ops@example.org, study@example.org
PIPELINE_ALERT_EMAIL_FROM=pipeline@example.org
```

`smtps://` uses TLS from the first byte. `smtp://` (port 587) uses STARTTLS; if the server does not offer it, nothing is
sent. Percent-encode special characters of the password. For a relay of your own without encryption and password, write
`smtp://relay.internal:25?tls=none`. All mails of one topic form one conversation.
"""

import hashlib
import smtplib
import socket
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from ingestion import log
from ingestion.alerts.alert import Alert
from ingestion.alerts.channel import Channel
from ingestion.alerts.errors import ChannelError, TemporaryError
from ingestion.alerts.http import tls
from ingestion.config.alerts import ChannelSettings
from ingestion.config.kinds import TEXT, TEXTS, Kind, url_of
from ingestion.config.setting import setting

_PERMANENT = 500
_URL = url_of("smtps", "smtp")


def _parse_url(text: str) -> str | None:
    url: str | None = _URL.parse(text)
    if url and urlsplit(url).query == "tls=none" and urlsplit(url).password:
        raise ValueError
    return url


@dataclass(frozen=True)
class MailSettings(ChannelSettings):
    """Settings of e-mail."""

    smtp_url: str | None = setting(
        "PIPELINE_ALERT_SMTP_URL",
        Kind(f"{_URL.form}, without a password if it ends in ?tls=none", _parse_url, _URL.secrets),
        "the mail server: `smtps://`, or `smtp://` with STARTTLS",
        is_secret=True,
        needs="PIPELINE_ALERT_EMAIL_TO",
    )
    to: tuple[str, ...] = setting(
        "PIPELINE_ALERT_EMAIL_TO",
        TEXTS,
        "the recipients, with commas between",
        default=(),
        needs="PIPELINE_ALERT_SMTP_URL",
    )
    sender: str | None = setting("PIPELINE_ALERT_EMAIL_FROM", TEXT, "the sender", default_text="the first recipient")


class Mail(Channel[MailSettings]):
    """Mail to one or more people."""

    title = "E-mail"
    kind = "email"
    settings_type = MailSettings

    def send(self, alert: Alert) -> None:
        host = urlsplit(self.settings.smtp_url or "").hostname or ""
        recipients = len(self.settings.to)
        try:
            with self._connect(host) as server:
                refused = server.send_message(self.message(alert))
        except ssl.SSLCertVerificationError as exc:
            raise ChannelError(f"{host} has a certificate that is not trusted: {exc.verify_message}") from exc
        except smtplib.SMTPRecipientsRefused as exc:
            raise ChannelError(f"{host} refused all {recipients} recipients") from exc
        except smtplib.SMTPResponseException as exc:
            answer = exc.smtp_error.decode(errors="replace") if isinstance(exc.smtp_error, bytes) else exc.smtp_error
            message = f"{host} answered {exc.smtp_code}: {log.redact(' '.join(answer.split()))}"
            raise (ChannelError if exc.smtp_code >= _PERMANENT else TemporaryError)(message) from exc
        except smtplib.SMTPNotSupportedError as exc:
            raise ChannelError(f"{host} does not accept a password on this connection") from exc
        except (OSError, smtplib.SMTPException) as exc:
            if isinstance(exc, TimeoutError) or isinstance(exc.__context__, TimeoutError):
                raise TemporaryError(f"{host} did not answer within {self.common.timeout_seconds:g} s") from exc
            reason = getattr(exc, "strerror", None) or log.redact(str(exc))
            raise TemporaryError(f"cannot connect to {host}: {reason}") from exc
        if refused:
            raise ChannelError(f"{host} refused {len(refused)} of {recipients} recipients")

    def message(self, alert: Alert) -> EmailMessage:
        sender = self.settings.sender or self.settings.to[0]
        domain = sender.rpartition("@")[2].strip("> ") or "localhost"
        message = EmailMessage()
        message["Subject"] = alert.title
        message["From"] = sender
        message["To"] = ", ".join(self.settings.to)
        message["Date"] = formatdate(localtime=False)
        message["Message-ID"] = make_msgid(domain=domain)
        since = alert.since.isoformat() if alert.since else ""
        thread = hashlib.sha256(f"{alert.thread}{since}".encode()).hexdigest()[:24]
        message["References"] = f"<{thread}@{domain}>"
        # keeps out-of-office notes away
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(alert.text + "\n")
        return message

    def _connect(self, host: str) -> smtplib.SMTP:
        url = urlsplit(self.settings.smtp_url or "")
        context = tls(self.common)
        # smtplib would look up our full name in the DNS, which may take long
        local_name, timeout = socket.gethostname(), self.common.timeout_seconds
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

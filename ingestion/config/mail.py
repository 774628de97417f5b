"""The mail server, which alerts and digests share."""

from urllib.parse import urlsplit

from ingestion.config.kinds import TEXT, Kind, url_of
from ingestion.config.setting import Setting

_URL = url_of("smtps", "smtp")


def _parse(text: str) -> str | None:
    url: str | None = _URL.parse(text)
    if url and urlsplit(url).query == "tls=none" and urlsplit(url).password:
        raise ValueError
    return url


SMTP_URL = Setting(
    "PIPELINE_ALERT_SMTP_URL",
    Kind(f"{_URL.form}, without a password if it ends in ?tls=none", _parse, _URL.secrets),
    "the mail server of alerts and digests: `smtps://`, or `smtp://` with STARTTLS",
    is_secret=True,
    needs=("PIPELINE_ALERT_EMAIL_TO", "PIPELINE_DIGEST_EMAIL_TO"),
)
SENDER = Setting(
    "PIPELINE_ALERT_EMAIL_FROM", TEXT, "the sender of alerts and digests", default_text="the first recipient"
)

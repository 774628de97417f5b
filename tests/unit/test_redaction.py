"""A secret does not come through, however it is written; nor does what quotes the data; what a person needs is left."""

import base64
import html
import json
import textwrap
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion import log, redaction
from ingestion.errors import ConfigurationError

SECRET = 'pa"ss w/ö+\\1'
PLANTED = "PLANTED-7f3a"

Encoding = Callable[[str], str]

# on a busy machine a thread may wait longer than any regular expression takes
_patient = settings(deadline=None)


def forget() -> None:
    nothing: dict[str, Any] = {"_secrets": frozenset(), "_literals": (), "_needles": (), "_short": None}
    for name, value in nothing.items():
        setattr(redaction, name, value)


@pytest.fixture(autouse=True)
def _no_secrets() -> Iterator[None]:
    forget()
    yield
    forget()


def percent_all(text: str) -> str:
    """Escape every byte, in small letters."""
    return "".join(f"%{byte:02x}" for byte in text.encode())


def escaped_everywhere(text: str) -> str:
    units = text.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


ENCODINGS: dict[str, Encoding] = {
    "as it is": str,
    "URL": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "URL, in part": quote,
    "URL, twice": lambda text: quote(quote(text, safe=""), safe=""),
    "URL, small letters": percent_all,
    "URL, small letters, twice": lambda text: quote(percent_all(text), safe=""),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, as UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON in JSON": lambda text: json.dumps(json.dumps(text))[1:-1],
    "JSON, all escaped": escaped_everywhere,
    "URL in JSON": lambda text: json.dumps(quote(text, safe="/"))[1:-1],
    "HTML": html.escape,
    "HTML of JSON": lambda text: html.escape(json.dumps(text)),
    "Python": lambda text: repr(text.encode())[2:-1],
}
BASE64: dict[str, Encoding] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "basic": lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
    "basic of another length": lambda text: base64.b64encode(f"admin1:{text}@".encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(f"u:{text}".encode()).decode(),
    "base64 in lines": lambda text: "\n".join(textwrap.wrap(base64.b64encode(text.encode()).decode(), 7)),
}

# what passwords and keys are made of; something is left of them where what looks like an escape is read as one
secrets = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters="\\+|│"),
    min_size=8,
    max_size=40,
).filter(lambda secret: len(redaction._folded(secret)) >= redaction._LONG)


def left_of(encoded: str) -> str:
    """The middle of it, which nothing else would write by chance."""
    return encoded[len(encoded) // 3 : -(len(encoded) // 3)]


@pytest.mark.parametrize("name", ENCODINGS)
@_patient
@given(secret=secrets)
def test_a_secret_is_hidden_in_every_encoding(name: str, secret: str) -> None:
    forget()
    redaction.hide([secret])
    encoded = ENCODINGS[name](secret)
    shown = redaction.redact(f"connecting with {encoded} to it")
    assert encoded not in shown
    assert shown.startswith("connecting with ")
    assert shown.endswith(" to it")
    # the words around it may contain the middle of a secret by chance
    shown = shown.removeprefix("connecting with ").removesuffix(" to it")
    assert left_of(encoded) not in shown.replace("***", " ")


@pytest.mark.parametrize("name", BASE64)
@_patient
@given(secret=secrets)
def test_a_secret_is_hidden_in_base64_with_any_neighbours(name: str, secret: str) -> None:
    forget()
    redaction.hide([secret])
    encoded = BASE64[name](secret)
    shown = redaction.redact(f"sent {encoded}")
    assert encoded not in shown
    assert left_of(encoded) not in shown


@_patient
@given(secret=secrets, width=st.integers(3, 30), indent=st.sampled_from(["", "  ", "│ ", "\t"]))
def test_a_secret_is_hidden_when_broken_over_lines(secret: str, width: int, indent: str) -> None:
    forget()
    redaction.hide([secret])
    broken = f" \n{indent}".join(secret[i : i + width] for i in range(0, len(secret), width))
    shown = redaction.redact(f"{indent}with {broken} at")
    assert broken not in shown
    assert all(line not in shown for line in broken.split("\n")[1:-1] if len(line.strip()) > 8)


@_patient
@given(secret=st.text(min_size=1).filter(lambda text: text.strip() != ""))
def test_any_secret_is_hidden_as_a_word_of_its_own(secret: str) -> None:
    forget()
    redaction.hide([secret])
    assert f" {secret} " not in redaction.redact(f"a {secret} b")


@_patient
@given(text=st.text(), secret=secrets)
def test_a_text_without_the_secret_is_unchanged(text: str, secret: str) -> None:
    forget()
    before = redaction.redact(text)
    redaction.hide([secret])
    if redaction._folded(secret) not in redaction._folded(text):
        assert redaction.redact(text) == before


@_patient
@given(text=st.text(st.sampled_from('%&\\+u0041"; =\nab|ö'), max_size=30))
def test_folding_keeps_the_place_of_each_character(text: str) -> None:
    folded, spans = redaction._folded_with_spans(text)
    assert folded == redaction._folded(text) or not redaction._UNUSUAL.search(text)
    assert len(spans) == len(folded)
    assert all(0 <= start < stop <= len(text) for start, stop in spans)


def test_each_line_of_a_private_key_is_a_secret() -> None:
    key = "-----BEGIN X-----\nMIIEvQIBADANBgkqhkiG\n9w0BAQEFAASCBKcwggSj\n-----END X-----\n"
    redaction.hide([key])
    assert "9w0BAQEFAASCBKcwggSj" not in redaction.redact("a line: 9w0BAQEFAASCBKcwggSj")


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Basic {PLANTED}",
        f"{{'Authorization': 'Token {PLANTED}'}}",
        f'"authorization": "AWS4-HMAC-SHA256 Credential=x, Signature={PLANTED}"',
        f"Proxy-Authorization: Negotiate {PLANTED}",
        f"X-Api-Key: {PLANTED}",
        f"Set-Cookie: session={PLANTED}; HttpOnly",
        f"curl -H 'Authorization: Bearer {PLANTED}'",
        f"bearer {PLANTED}",
        f"https://x.blob.core.windows.net/c?sv=2022&sig={PLANTED}%3D&se=2026",
        f"https://b.s3.amazonaws.com/k?X-Amz-Credential={PLANTED}%2F20260101&X-Amz-Date=1",
        f"https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Signature={PLANTED}",
        f"https://b.s3.amazonaws.com/k?AWSAccessKeyId={PLANTED}&Expires=1",
        f"https://storage.googleapis.com/b/k?X-Goog-Signature={PLANTED}",
        f"https://host/hook?token={PLANTED}",
        f"https://host/hook?api_key={PLANTED}",
        f"https://host/api/hook?code={PLANTED}",
        f"AccountName=x;AccountKey={PLANTED}==;EndpointSuffix=core.windows.net",
        f"BlobEndpoint=https://x;SharedAccessSignature={PLANTED}",
        f'{{"password": "{PLANTED}", "user": "x"}}',
        f"{{'aws_secret_access_key': '{PLANTED}'}}",
        f"PIPELINE_ALERT_WEBHOOK_TOKEN={PLANTED}",
        f"smtp://user:{PLANTED}@mail.example:587",
        f"https://hooks.slack.com/services/T000/B000/{PLANTED}",
        "AKIA" + "PLANTED7F3A00000",
        f"ghp_{PLANTED.replace('-', '')}00000000000000",
        f"xoxb-1234-{PLANTED}",
        f"eyJhbGciOiJI.eyJzdWIiOiIx.{PLANTED}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{PLANTED}\n-----END RSA PRIVATE KEY-----",
        f"FEHLER: ungültige Eingabesyntax für Typ integer: »{PLANTED}«",
        f"ERREUR: syntaxe en entrée invalide pour le type integer : « {PLANTED} »",
        f"doppelter Schlüsselwert\nDETAIL:  Schlüssel »(user_id)=({PLANTED})« existiert bereits.",
        f"schlecht\nKONTEXT:  COPY sleep, Zeile 2: »{PLANTED}«",
        f"schlecht\nZEILE 1: select '{PLANTED}'\n               ^",
        f"mauvais\nLIGNE 1 : select '{PLANTED}'",
    ],
)
def test_unregistered_secrets_and_quoted_data_are_hidden(text: str) -> None:
    shown = redaction.redact(text)
    assert PLANTED not in shown
    assert "PLANTED" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "line 1: the header lacks ActivityDate, TotalSteps",
        "sleep.csv: line 3, column total_minutes_asleep: not a number",
        "PIPELINE_ALERT_WEBHOOK_TOKEN is not set",
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role of the machine",
        "s3://bucket/folder has failed for 60 s: 503 SlowDown",
        "https://host/runs?page=2&status=failed",
        "the basic information of it",
        "the password is wrong",
        "a secret of one's own; the token bucket is empty",
        "50 % of 3 rows & more + others | all",
        "the key: user_id, sleep_day",
    ],
)
def test_useful_texts_are_unchanged(text: str) -> None:
    redaction.hide([SECRET, PLANTED])
    assert redaction.redact(text) == text


def test_a_short_secret_is_hidden_as_a_whole_word_in_its_encodings() -> None:
    redaction.hide(["p%w"])
    assert redaction.redact("p%w, p%25w, up%w") == "***, ***, up%w"


def test_a_longer_secret_is_hidden_before_its_part() -> None:
    redaction.hide(["longsecret", "longsecretandmore"])
    assert redaction.redact("x longsecretandmore y") == "x *** y"


def test_blank_secrets_are_ignored() -> None:
    redaction.hide([None, "", "  "])
    assert redaction.redact("a  b") == "a  b"


def test_the_message_of_an_unexpected_error_is_not_shown() -> None:
    assert log.describe(ValueError(f"{PLANTED} slept")) == "ValueError: ***"
    assert log.describe(ValueError()) == "ValueError"
    assert log.describe(FileNotFoundError(2, "No such file", PLANTED)) == "FileNotFoundError: No such file"
    assert log.describe(TypeError("f() takes no arguments")) == "TypeError: f() takes no arguments"
    assert log.describe(ConfigurationError("it is not set")) == "ConfigurationError: it is not set"


def test_a_traceback_shows_places_and_no_values() -> None:
    def caused() -> None:
        try:
            raise KeyError(PLANTED)
        except KeyError as exc:
            raise ConfigurationError("it is not set") from exc

    try:
        try:
            caused()
        except ConfigurationError:
            raise ValueError(f"{PLANTED} slept")  # noqa: B904  (as it happens by mistake)
    except ValueError as exc:
        shown = log.traceback_of(exc)
    assert PLANTED not in shown.replace('ValueError(f"{PLANTED}', "").replace("KeyError(PLANTED)", "")
    places = [
        shown.index(text) for text in ("KeyError: ***", "direct cause", "it is not set", "During", "ValueError: ***")
    ]
    assert places == sorted(places)
    assert "in caused" in shown


def test_an_error_that_is_its_own_cause_is_formatted() -> None:
    error = ValueError("a")
    error.__context__ = ValueError("b")
    error.__context__.__context__ = error
    assert log.traceback_of(error).count("Traceback") == 2

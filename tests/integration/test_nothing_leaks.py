"""No output of the pipeline contains a secret or personal data, whatever fails.

Each of `FAILURES` is a test, which searches all of `OUTPUTS`. The fixture `house` plants secrets and personal data.
"""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from ingestion import db, migrate, runner
from ingestion.config import Settings
from tests.drops import ACTIVITY_HEADER, SLEEP_HEADER, Invoke, Landing, activity, forget, sleep
from tests.integration.test_runner import process, wait_for
from tests.listeners import Answer, Request, Service, serve, serve_mail

if TYPE_CHECKING:
    from email.message import Message

USER = 4_447_770_123_987
# appears in rejected fields, undeclared columns and malformed rows
NOTE = "Planted Person wrote this"
VALUE = 918_273_645

PASSWORD = 'data/base+pass"w%rd ä'
ERASURE_KEY = "erasure-key-of-plants"
SECRETS = {
    "PGPASSWORD": PASSWORD,
    "PIPELINE_ERASURE_KEY": ERASURE_KEY,
    "AWS_ACCESS_KEY_ID": "AKIAPLANTEDPLANTED00",
    "AWS_SECRET_ACCESS_KEY": "aws/secret+plantedPLANTEDplantedPLANTED0",
    "AWS_SESSION_TOKEN": "IQoJsessionplanted//////////wEaCXVz",
    "AZURE_STORAGE_SAS_TOKEN": "sv=2024-01-01&se=2030&sig=plantedSASsignature%2Fabc%3D",
    "PIPELINE_ALERT_WEBHOOK_TOKEN": "webhook-token-planted",
    "PIPELINE_ALERT_GITHUB_TOKEN": "github-token-planted-1",
}
SMTP_PASSWORD = "smtp:pass/planted"
HOOK_PATH = "services/T0PLANTED/B0PLANTED/hookplanted"
# parts that would give each of them away, in several encodings
TRACES = (
    *("data/base", 'pass"w', 'pass\\"w', "w%rd", "w%25rd", "erasure-key-of", "AKIAPLANTED", "secret+planted"),
    *("secret%2Bplanted", "sessionplanted", "plantedSAS", "webhook-token", "github-token", "pass/planted"),
    *("pass%2Fplanted", "hookplanted", str(USER), "Planted Person", str(VALUE), "918273645"),
)


class Echo(Service):
    """Rejects each request and returns its contents, as a careless proxy does."""

    def answer(self, request: Request) -> Answer:
        headers = "".join(f"<{name}>{value}</{name}>" for name, value in request.headers.items())
        return Answer(403, f"<Error><Code>AccessDenied</Code>{request.path} {request.query} {headers}</Error>")


@dataclass
class House:
    """A pipeline with secrets in its settings, personal data in its files, and a receiver of its alerts."""

    landing: Landing
    settings: Settings
    invoke: Invoke
    monkeypatch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]
    folder: Path
    hook: Service
    echo: Service
    output: list[str] = field(default_factory=list)

    def run(self, *arguments: str, code: int) -> None:
        """Run a command and keep its output."""
        ended = self.invoke(*arguments)
        out = self.capture.readouterr()
        self.output += [out.out, out.err]
        assert ended == code, out.err

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self.monkeypatch.setenv(name, value)

    def add_file(self, name: str, *lines: str) -> None:
        self.landing.put(name, "".join(f"{line}\n" for line in lines).encode())


@pytest.fixture
def house(  # noqa: PLR0917  (each is a fixture)
    landing: Landing,
    settings: Settings,
    invoke: Invoke,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Iterator[House]:
    # each run must find its secrets itself
    forget(monkeypatch)
    # connect now, because a failure may change the settings
    landing.rows("select 1")
    with serve(Service()) as hook, serve(Echo()) as echo:
        made = House(landing, settings, invoke, monkeypatch, capfd, tmp_path, hook, echo)
        made.set(
            **SECRETS,
            AWS_REGION="eu-central-1",
            AWS_ENDPOINT_URL=echo.url,
            AZURE_STORAGE_ACCOUNT_NAME="study",
            AZURE_STORAGE_ENDPOINT=echo.url,
            PIPELINE_ALERT_WEBHOOK_URL=f"{hook.url}/{HOOK_PATH} {echo.url}/{HOOK_PATH}",
            PIPELINE_ALERT_SMTP_URL="smtp://mailer:smtp%3Apass%2Fplanted@127.0.0.1:1",
            PIPELINE_ALERT_EMAIL_TO="ops@example.org",
            PIPELINE_ALERT_GITHUB_REPOSITORY="acme/wearables",
            PIPELINE_ALERT_GITHUB_API_URL=echo.url,
            PIPELINE_ALERT_QUARANTINE_ROWS="1",
            PIPELINE_ALERT_TIMEOUT_SECONDS="1",
            PIPELINE_ALERT_ATTEMPTS="1",
            PIPELINE_ALERT_STATE_FILE=str(tmp_path / "alerts.json"),
            PIPELINE_TERMINATION_LOG=str(tmp_path / "termination-log"),
            PIPELINE_REPORT_DIR=str(tmp_path / "reports"),
            PIPELINE_STORAGE_TIMEOUT_SECONDS="0.3",
            PIPELINE_DB_WAIT_SECONDS="0",
        )
        yield made


# failures --------------------------------------------------------------------------------------------------

SLEEP = f"{USER},4/12/2016 12:00:00 AM,1,327,346"
ACTIVITY = f"{USER},4/12/2016,13162,25,13,328,728,1985"


def refused_connection(house: House) -> None:
    house.set(PGHOST="127.0.0.1", PGPORT="1")
    house.run("ingest", code=69)
    house.run("status", "--probe", code=2)


def refused_password(house: House) -> None:
    """The server quotes the password that it rejects."""
    with _refusing_server() as port:
        house.set(PGHOST="127.0.0.1", PGPORT=str(port), PGSSLMODE="disable")
        house.run("run", code=78)
        house.run("status", "--probe", code=3)


def no_such_host(house: House) -> None:
    house.set(DATABASE_URL=f"postgresql://ada:{quote(PASSWORD, safe='')}@nowhere.invalid/x")
    house.run("ingest", code=69)


def malformed_url(house: House) -> None:
    house.set(DATABASE_URL="postgresql://ada:smtp%3Apass%2Fplanted%@host/x")
    house.run("ingest", code=78)


def bad_setting(house: House) -> None:
    house.set(PIPELINE_LOCK_WAIT_SECONDS=ERASURE_KEY)
    house.run("run", code=78)


def unknown_option(house: House) -> None:
    house.run("run", "--nonsense", code=64)


def rejected_rows(house: House) -> None:
    house.add_file(
        "sleep.csv",
        f"{SLEEP_HEADER},Remarks",
        *(f"{USER},4/{day}/2016,1,300,340,{NOTE}" for day in range(1, 25)),
        f"{USER},4/25/2016,1,{NOTE},340,",
        f"{USER},{NOTE},1,300,340,",
        f"{NOTE},4/26/2016,1,300,340,",
        f"{USER},4/27/2016,1,{VALUE},340,",
        f"{USER},4/27/2016,1,300,99999999999999999999{VALUE},",
        f"{USER},4/28/2016",
        f"{USER},4/28/2016,1,300,340,{NOTE},{NOTE},{NOTE}",
        f'{USER},4/29/2016,1,"{NOTE}',
        f"{USER},4/30/2016,1,3\r00,340,{NOTE}",
    )
    house.run("ingest", code=0)
    house.run("ingest", "--log-format", "text", "--force", code=0)
    house.run("rejected", "list", code=0)
    house.run("rejected", "show", "sleep.csv", code=0)


def refused_files(house: House) -> None:
    house.add_file("sleep.csv", SLEEP_HEADER, *(f"{USER},{NOTE},1,{VALUE},1" for _ in range(9)))
    house.add_file("sleep_2.csv", SLEEP, *(f"{USER},4/1{day}/2016,1,300,{VALUE}" for day in range(9)))
    house.add_file("sleep_3.csv", SLEEP_HEADER, f"{USER},13/4/2016,1,327,346", SLEEP, SLEEP)
    house.add_file("sleep_4.csv", NOTE, f"Id,{NOTE}", f"{USER},1")
    house.add_file("sleep_5.csv", f"{SLEEP_HEADER},Id", f"{SLEEP},{USER}")
    house.landing.put("sleep_6.csv", f"{SLEEP_HEADER},{NOTE}é\n{SLEEP},{VALUE}\n".encode("cp1252"))
    house.landing.put("sleep_7.csv", f"{SLEEP_HEADER},\0{NOTE}\n{SLEEP}\n".encode())
    house.landing.put("sleep_8.xlsx", f"{NOTE}\n{SLEEP}\n".encode())
    house.landing.put("sleep_9.csv.gz", f"{NOTE}\n{SLEEP}\n".encode())
    house.landing.put("sleep_10.parquet", f"{NOTE}\n{SLEEP}\n".encode())
    house.landing.put("sleep_11.ndjson", f'{{"Id": {USER}, "SleepDay": "{NOTE}"}}\n{{{NOTE}\n'.encode())
    house.run("ingest", code=65)
    house.run("ingest", "--log-format", "text", code=65)
    house.run("ls", code=0)


def dry_run(house: House) -> None:
    house.add_file(
        "sleep.csv", f"{SLEEP_HEADER},Remarks", f"{SLEEP},{NOTE}", SLEEP + ",", f"{USER},4/9/2016,1,{NOTE},1,"
    )
    house.run("ingest", "--dry-run", code=0)
    house.run("ingest", "--check", code=1)


def constraint(house: House) -> None:
    """A constraint that the operator has added: the detail of PostgreSQL's error quotes the row."""
    house.landing.rows(f"alter table raw.sleep add constraint odd check (user_id <> '{USER}'); select 1")
    house.add_file("sleep.csv", SLEEP_HEADER, SLEEP)
    house.run("ingest", code=65)


def trigger(house: House) -> None:
    """A statement that fails in the server: its message and context quote the row."""
    house.landing.rows(
        "create function raw.grumble() returns trigger language plpgsql as $$ begin"
        " raise exception 'invalid input syntax for type integer: \"%\"', new.user_id"
        f" using errcode = 'P0001', detail = new.user_id || ' {NOTE}'; end $$;"
        " create trigger grumble before insert on raw.sleep for each row execute function raw.grumble(); select 1"
    )
    house.add_file("sleep.csv", SLEEP_HEADER, SLEEP)
    house.run("ingest", code=1)


def migration(house: House) -> None:
    """A migration that fails on the data."""
    folder = house.folder / "sql"
    folder.mkdir()
    for path in migrate.SQL_DIRECTORY.glob("*.sql"):
        (folder / path.name).write_bytes(path.read_bytes())
    number = max(int(path.name[:3]) for path in folder.iterdir()) + 1
    (folder / f"{number:03}_raw_unique.sql").write_text("create unique index only_one on raw.sleep (user_id);\n")
    house.add_file("sleep.csv", SLEEP_HEADER, SLEEP, SLEEP.replace("4/12", "4/13"))
    house.run("ingest", code=0)
    read = partial(migrate.read_migrations, folder)
    house.monkeypatch.setattr(migrate, "read_migrations", lambda _directory=None: read())
    house.run("migrate", code=1)


def object_store(house: House) -> None:
    """An object store that rejects requests and quotes them."""
    for place in ("s3://study/drops", "az://study/drops"):
        house.set(PIPELINE_DATA_DIR=place)
        house.run("ingest", code=78)
        house.run("ls", code=78)
    house.set(PIPELINE_DATA_DIR="s3://study/drops", AWS_ENDPOINT_URL="http://127.0.0.1:1")
    house.run("ingest", code=69)


def unknown_scheme(house: House) -> None:
    house.set(PIPELINE_DATA_DIR="ftp://mailer:smtp%3Apass%2Fplanted@host/drops")
    house.run("ingest", code=78)


def bug(house: House) -> None:
    """A bug with data and secrets in its message and in its cause."""

    def broken(*_arguments: object, **_options: object) -> None:
        try:
            SECRETS[f"{USER} {NOTE}"]
        except KeyError as exc:
            raise ValueError(f"{USER}: {VALUE} {PASSWORD} {HOOK_PATH}") from exc

    house.monkeypatch.setattr("ingestion.steps.ingest", broken)
    house.run("ingest", code=70)
    house.run("ingest", "--log-format", "text", code=70)


def statement_that_takes_too_long(house: House) -> None:
    house.set(PIPELINE_LOCK_TIMEOUT_SECONDS="0.2")
    house.monkeypatch.setattr(runner, "_MAX_ATTEMPTS", 1)
    house.add_file("sleep.csv", SLEEP_HEADER, SLEEP)
    with db.transaction(house.landing.engine) as connection, connection.cursor() as cursor:
        cursor.execute("lock table raw.sleep in access exclusive mode")
        house.run("ingest", code=1)


def killed_run(house: House) -> None:
    house.add_file("sleep.csv", SLEEP_HEADER, SLEEP)
    waiting = "select count(*) = 1 from pg_stat_activity where wait_event_type = 'Lock' and query ilike '%copy %'"
    with db.transaction(house.landing.engine) as connection, connection.cursor() as cursor:
        cursor.execute("lock table raw.sleep in access exclusive mode")
        with process(house.settings, "ingest", "--data-dir", house.settings.landing_zone, "--use-manifest") as child:
            wait_for(lambda: house.landing.rows(waiting) == [(True,)])
            child.kill()
            house.output += child.communicate(timeout=10)
    house.run("status", code=1)
    house.run("ingest", code=0)


def alerts_that_fail(house: House) -> None:
    house.run("alert", "test", code=1)


def nothing_to_retract(house: House) -> None:
    house.run("retract", "nowhere.csv", "--reason", f"asked for with {ERASURE_KEY}", code=64)
    house.run("reload", "nowhere.csv", code=64)
    house.run("rejected", "replay", "nowhere.csv", code=64)
    house.monkeypatch.delenv("PIPELINE_ERASURE_KEY")
    house.run("erase", "--user-id", str(USER), code=78)


def failing_model(house: House) -> None:
    """A dbt model that fails on the data."""
    house.landing.rows(f"create table raw.planted as select '{NOTE} {USER}'::text as note; select 1")
    house.set(PIPELINE_DBT_VARS=json.dumps({"min_steps": "(select note::integer from raw.planted)"}))
    days = (ACTIVITY.replace("4/12", f"4/{day}") for day in range(1, 25))
    house.add_file("daily_activity.csv", ACTIVITY_HEADER, *days)
    house.run("run", code=1)


def failing_dbt_tests(house: House) -> None:
    """Rows from the future, on which a dbt test fails."""
    future = (ACTIVITY.replace("4/12/2016", f"4/{day}/2099") for day in range(1, 20))
    house.add_file("daily_activity.csv", ACTIVITY_HEADER, ACTIVITY, *future)
    house.run("run", code=65)


def digest(house: House) -> None:
    """A digest with the participant on its list, to a server that accepts it and to one that quotes it."""
    today = datetime.now(UTC)
    house.set(
        PIPELINE_DIGEST_WEEKDAY=f"{today:%A}".lower(),
        PIPELINE_DIGEST_EMAIL_TO="nurse@example.org",
        PIPELINE_DIGEST_SLACK_URL=f"{house.hook.url}/{HOOK_PATH} {house.echo.url}/{HOOK_PATH}",
        PIPELINE_DIGEST_TEAMS_URL=f"{house.hook.url}/{HOOK_PATH} {house.echo.url}/{HOOK_PATH}",
        PIPELINE_DIGEST_ATTACH_REPORT="1",
    )
    first = today.date() - timedelta(days=60)
    lines = [
        f"{user},{first + timedelta(day):%m/%d/%Y},9000,25,13,328,728,1985"
        for user, days in ((USER, 40), (7, 60))
        for day in range(days)
    ]
    house.add_file("daily_activity.csv", ACTIVITY_HEADER, *lines)
    house.add_file("sleep.csv", SLEEP_HEADER, f"{USER},{NOTE},1,{VALUE},1")
    with serve_mail() as mail:
        house.set(PIPELINE_ALERT_SMTP_URL=f"smtp://127.0.0.1:{mail.port}?tls=none")
        house.run("run", code=65)
        house.run("digest", "--dry-run", code=0)
        house.run("digest", "--now", code=1)
    assert "1 participant to call" in house.output[-4]
    # and one alert
    assert sorted("to call" in str(each["Subject"]) for each in mail.mails) == [False, True, True]
    house.output += [text for each in mail.mails for text in parts_of(each)]
    assert any("Refused files: sleep 1." in text for text in house.output)


def parts_of(mail: "Message") -> Iterator[str]:
    for part in mail.walk():
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            yield content.decode()


def success(house: House) -> None:
    """Nothing fails, and then a participant is erased: the summary of a good run is an output too."""
    house.landing.put("daily_activity.csv", activity(USER, 7))
    house.landing.put("sleep.csv", sleep(USER, 7))
    house.run("run", "--log-format", "text", code=0)
    house.run("report", code=0)
    house.run("erase", "--user-id", str(USER), code=0)


FAILURES: tuple[Callable[[House], None], ...] = (
    *(refused_connection, refused_password, no_such_host, malformed_url, bad_setting, unknown_option),
    *(rejected_rows, refused_files, dry_run, constraint, trigger, migration, object_store, unknown_scheme, bug),
    *(statement_that_takes_too_long, killed_run, alerts_that_fail, nothing_to_retract),
    *(failing_model, failing_dbt_tests, digest, success),
)


# outputs -----------------------------------------------------------------------------------------------


def streams(house: House) -> str:
    """Standard output and standard error: the log as JSON and as text, summaries, and errors."""
    return "\n".join(house.output)


def records(house: House) -> str:
    """All tables of ops, without the rows and ids that quarantine and the follow-up lists keep on purpose."""
    rows: list[str] = []
    kept = "array['raw_line', 'user_id']"
    for (table,) in house.landing.rows("select tablename from pg_tables where schemaname = 'ops' order by 1"):
        rows += [f"{table} {row}" for (row,) in house.landing.rows(f"select to_jsonb(t) - {kept} from ops.{table} t")]
    return "\n".join(rows)


def history(house: House) -> str:
    """The output of the commands that show earlier runs."""
    house.set(PGHOST=house.settings.known_database.parameters["host"])
    house.monkeypatch.delenv("DATABASE_URL", raising=False)
    house.monkeypatch.setenv("PGPORT", house.settings.known_database.parameters.get("port", "5432"))
    house.monkeypatch.delenv("PIPELINE_LOCK_WAIT_SECONDS", raising=False)
    house.capture.readouterr()
    for words in ("status", "status --json", "status --probe", "runs", "runs show --json", "runs show", "files --json"):
        house.invoke(*words.split())
    for words in ("files", "alert list", "rejected list", "migrate --status"):
        house.invoke(*words.split())
    out = house.capture.readouterr()
    return out.out + out.err


def written(*patterns: str) -> Callable[[House], str]:
    def read(house: House) -> str:
        paths = [path for pattern in patterns for path in house.folder.glob(pattern) if path.is_file()]
        return "\n".join(f"{path}: {path.read_text(encoding='utf-8', errors='replace')}" for path in paths)

    return read


def alerts(house: House) -> str:
    """The bodies of alerts, without the headers and addresses that deliver them."""
    return "\n".join(request.body.decode() for request in (*house.hook.requests, *house.echo.requests))


OUTPUTS: dict[str, Callable[[House], str]] = {
    "streams": streams,
    "records": records,
    "history": history,
    "dbt.log": written("logs/*"),
    "dbt's results": written("target/run_results.json"),
    "termination log": written("termination-log"),
    "reports": written("reports/**/*"),
    "state of alerts": written("alerts.json"),
    "alerts": alerts,
}


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.__name__)
def test_nothing_leaks(failure: Callable[[House], None], house: House) -> None:
    failure(house)
    found = []
    for name, read in OUTPUTS.items():
        text = read(house)
        for trace in TRACES:
            place = text.find(trace)
            if place >= 0:
                found.append(f"{trace!r} in {name}: ...{text[max(place - 150, 0) : place + 60]!r}")
    assert not found, "\n".join(found)
    assert streams(house)


def test_each_secret_has_a_trace() -> None:
    """Each secret has a trace that is a part of it. Without one, the search could never find the secret."""
    for secret in (*SECRETS.values(), SMTP_PASSWORD, HOOK_PATH, str(USER), NOTE, str(VALUE)):
        assert any(trace in secret for trace in TRACES), secret


@contextmanager
def _refusing_server() -> Iterator[int]:
    """Speak enough of PostgreSQL's protocol to ask for a password, and reject it in a message that quotes it."""

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", len(body) + 4) + body

    def serve_one(client: socket.socket) -> None:
        with client:
            client.recv(4096)
            client.sendall(message(b"R", struct.pack("!i", 3)))
            password = client.recv(4096)[5:].rstrip(b"\0")
            text = b'password authentication failed for user "ada" (' + password + b")"
            client.sendall(message(b"E", b"SFATAL\0C28P01\0M" + text + b"\0\0"))

    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            try:
                while True:
                    serve_one(server.accept()[0])
            except OSError:
                return

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)

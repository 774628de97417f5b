"""Where the database is: a URL, libpq's variables, or five of our own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from ingestion.config.kinds import VERBATIM
from ingestion.config.setting import Setting
from ingestion.errors import ConfigurationError

URL = Setting(
    "DATABASE_URL",
    VERBATIM,
    "the database as a URL; libpq's variables supply what the URL leaves out",
    is_secret=True,
    on_schedule=True,
)
PGHOST = Setting("PGHOST", VERBATIM, "the server's host, as libpq reads it", on_schedule=True)
PGHOSTADDR = Setting("PGHOSTADDR", VERBATIM, "the server's IP address", reader="the pipeline, libpq")
PGSERVICE = Setting("PGSERVICE", VERBATIM, "an entry of libpq's service file", reader="the pipeline, libpq")
# the parameters of libpq by the variable that sets them
LIBPQ = {
    "host": PGHOST,
    "port": Setting("PGPORT", VERBATIM, "the server's port", default_text="libpq's", on_schedule=True),
    "dbname": Setting("PGDATABASE", VERBATIM, "the name of the database", default_text="libpq's", on_schedule=True),
    "user": Setting("PGUSER", VERBATIM, "the login role", default_text="libpq's", on_schedule=True, may_be_a_file=True),
    "password": Setting("PGPASSWORD", VERBATIM, "its password", is_secret=True, on_schedule=True),
    "sslmode": Setting(
        "PGSSLMODE", VERBATIM, "whether and how to encrypt the connection", default_text="libpq's", on_schedule=True
    ),
}
LEGACY = {
    "host": Setting("DB_HOST", VERBATIM, "the server's host, if neither `DATABASE_URL` nor a variable of libpq is set"),
    "port": Setting("DB_PORT", VERBATIM, "the server's port", default_text="libpq's"),
    "dbname": Setting("DB_NAME", VERBATIM, "the name of the database", default_text="libpq's"),
    "user": Setting("DB_USER", VERBATIM, "the login role", default_text="libpq's", may_be_a_file=True),
    "password": Setting("DB_PASSWORD", VERBATIM, "its password", is_secret=True),
}
SETTINGS = (URL, PGHOST, PGHOSTADDR, PGSERVICE, *list(LIBPQ.values())[1:], *LEGACY.values())


@dataclass(frozen=True)
class Database:
    """Where the database is.

    Arguments:
        parameters: libpq's connection parameters. libpq takes what is missing here from its own variables
            (PGSSLROOTCERT, PGPASSFILE and the others).
        described_by: the variable it came from, for messages.

    """

    parameters: Mapping[str, str] = field(repr=False)
    described_by: str

    @property
    def dsn(self) -> str:
        """The libpq connection string, password included."""
        return str(make_dsn("", **self.parameters))

    @property
    def secret(self) -> str | None:
        """The password, for the redaction of logs."""
        return self.parameters.get("password")

    @property
    def place(self) -> str:
        """Host, port and name, without secrets."""
        p = self.parameters
        host, name = p.get("host", "localhost"), p.get("dbname", p.get("user", ""))
        return f"{name} at {host}" if host.startswith("/") else f"{host}:{p.get('port', '5432')}/{name}"

    @property
    def environment(self) -> dict[str, str]:
        """The parameters as libpq's variables, for psql and for dbt's profile."""
        return {variable.name: self.parameters[key] for key, variable in LIBPQ.items() if key in self.parameters}

    @property
    def url(self) -> str:
        """The database as a URL without its password."""
        p = self.parameters
        user = quote(p.get("user", ""), safe="")
        return f"postgresql://{user}@{quote(p.get('host', ''), safe='')}:{p.get('port', '5432')}/{p.get('dbname', '')}"


def read_database(environ: Mapping[str, str]) -> Database | None:
    """Return the database that the variables name, or None if they name none.

    Arguments:
        environ: the environment's variables.

    Raises:
        ConfigurationError: DATABASE_URL is not a URL.

    """
    url = URL.read(environ)
    if url:
        try:
            parameters = parse_dsn(url.replace("postgresql+psycopg2://", "postgresql://", 1))
        except psycopg2.ProgrammingError:
            raise ConfigurationError(
                f"{URL.name} is not a PostgreSQL URL",
                hint="Write it as postgresql://user:password@host:5432/database; percent-encode special characters.",
            ) from None
        return Database({**_read(LIBPQ, environ), **parameters}, URL.name)
    if any(variable.read(environ) for variable in (PGHOST, PGHOSTADDR, PGSERVICE)):
        return Database(_read(LIBPQ, environ), PGHOST.name)
    if LEGACY["host"].read(environ):
        return Database(_read(LEGACY, environ), LEGACY["host"].name)
    return None


def _read(variables: Mapping[str, Setting], environ: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, variable in variables.items() if (value := variable.read(environ))}

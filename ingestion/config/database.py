"""Where the database is, by a URL, by libpq's variables or by five of our own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from ingestion.errors import ConfigurationError

_LEGACY = {
    "host": "DB_HOST",
    "port": "DB_PORT",
    "dbname": "DB_NAME",
    "user": "DB_USER",
    "password": "DB_PASSWORD",
}
_LIBPQ = {
    "host": "PGHOST",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "sslmode": "PGSSLMODE",
}
_LIBPQ_CHOOSES_A_SERVER = ("PGHOST", "PGHOSTADDR", "PGSERVICE")


@dataclass(frozen=True)
class Database:
    """Where the database is.

    Arguments:
        parameters: libpq's connection parameters. What is absent here, libpq takes from its own environment
            (PGSSLROOTCERT, PGPASSFILE and the others).
        described_by: the setting it came from, for messages.

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
        """Host, port and name, fit to be shown."""
        p = self.parameters
        host, name = p.get("host", "localhost"), p.get("dbname", p.get("user", ""))
        return f"{name} at {host}" if host.startswith("/") else f"{host}:{p.get('port', '5432')}/{name}"

    @property
    def environment(self) -> dict[str, str]:
        """The same place as libpq's variables, for psql and for dbt's profile."""
        return {name: self.parameters[key] for key, name in _LIBPQ.items() if key in self.parameters}

    @property
    def url(self) -> str:
        """The same place as a URL without its password, fit to be shown."""
        p = self.parameters
        user = quote(p.get("user", ""), safe="")
        return f"postgresql://{user}@{quote(p.get('host', ''), safe='')}:{p.get('port', '5432')}/{p.get('dbname', '')}"


def read_database(environ: Mapping[str, str]) -> Database | None:
    """Return the database that the variables name, or None where they name none.

    Arguments:
        environ: the environment's variables.

    Raises:
        ConfigurationError: DATABASE_URL is not a URL.

    """
    url = environ.get("DATABASE_URL")
    if url:
        try:
            parameters = parse_dsn(url.replace("postgresql+psycopg2://", "postgresql://", 1))
        except psycopg2.ProgrammingError:
            raise ConfigurationError(
                "DATABASE_URL is not a PostgreSQL URL",
                hint="Write it as postgresql://user:password@host:5432/database, special characters percent-encoded.",
            ) from None
        return Database({**_from(environ, _LIBPQ), **parameters}, "DATABASE_URL")
    if any(environ.get(name) for name in _LIBPQ_CHOOSES_A_SERVER):
        return Database(_from(environ, _LIBPQ), "PGHOST")
    if environ.get("DB_HOST"):
        return Database(_from(environ, _LEGACY), "DB_HOST")
    return None


def _from(environ: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {key: environ[name] for key, name in names.items() if environ.get(name)}

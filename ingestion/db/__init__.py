"""The database. Only this package calls the driver's connections and translates its errors."""

from ingestion.db.connections import (
    Connection,
    Cursor,
    Sessions,
    cancel_all,
    create_engine,
    ready_engine,
    savepoint,
    session,
    transaction,
    wait_until_ready,
)
from ingestion.db.copy import Readable, copy_in
from ingestion.db.errors import translate, translated
from ingestion.db.locks import held_locks, lock, lock_name, try_lock
from ingestion.db.queries import queries

__all__ = [
    "Connection",
    "Cursor",
    "Readable",
    "Sessions",
    "cancel_all",
    "copy_in",
    "create_engine",
    "held_locks",
    "lock",
    "lock_name",
    "queries",
    "ready_engine",
    "savepoint",
    "session",
    "transaction",
    "translate",
    "translated",
    "try_lock",
    "wait_until_ready",
]

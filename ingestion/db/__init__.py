"""The database. Only this package calls the driver's connections and translates its errors."""

from ingestion.db.connections import (
    Connection,
    Cursor,
    Lender,
    Sessions,
    create_engine,
    ready_engine,
    savepoint,
    session,
    transaction,
    wait_until_ready,
)
from ingestion.db.copy import Readable, copy_in
from ingestion.db.engine import Connector, Engine
from ingestion.db.errors import CANCELED, translate, translated
from ingestion.db.locks import held_locks, lock, try_lock
from ingestion.db.opening import SessionLimits, connections_of_dbt, lock_name
from ingestion.db.queries import composed, queries
from ingestion.db.run_lock import RunLock, is_run_in_progress
from ingestion.db.supervision import cancel_all, disconnect_run, disconnect_waiting
from ingestion.db.together import Asked, execute_together, read_together

__all__ = [
    "CANCELED",
    "Asked",
    "Connection",
    "Connector",
    "Cursor",
    "Engine",
    "Lender",
    "Readable",
    "RunLock",
    "SessionLimits",
    "Sessions",
    "cancel_all",
    "composed",
    "connections_of_dbt",
    "copy_in",
    "create_engine",
    "disconnect_run",
    "disconnect_waiting",
    "execute_together",
    "held_locks",
    "is_run_in_progress",
    "lock",
    "lock_name",
    "queries",
    "read_together",
    "ready_engine",
    "savepoint",
    "session",
    "transaction",
    "translate",
    "translated",
    "try_lock",
    "wait_until_ready",
]

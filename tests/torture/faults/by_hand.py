"""What administrators do."""

from tests.torture import zone
from tests.torture.contents import DATASETS
from tests.torture.faults.base import Fault
from tests.torture.findings import Finding
from tests.torture.trial import Trial


def _older_backup(trial: Trial) -> bool:
    """Restore a backup that is older than the landing zone."""
    trial.prepare(has_history=True)
    backup = f"{trial.database}_backup"
    trial.server.create_database(backup, trial.database)
    trial.load()
    zone.change(trial.random, trial.zone)
    zone.fill(trial.random, trial.zone, 2)
    trial.load()
    trial.proxy.cut_all()
    trial.server.drop_database(trial.database)
    with trial.server.cursor() as cursor:
        cursor.execute(f'alter database "{backup}" rename to "{trial.database}"')
    # the records of these runs are gone with the newer database
    trial.commands.clear()
    return True


def _rows_deleted(trial: Trial) -> bool:
    """Delete rows of a file by hand, and load the file again once `status` names it."""
    trial.prepare(large=0, has_history=False)
    trial.run("ingest")
    loaded = trial.server.rows(
        "select source, source_filename, file_id from ops.raw_ingest_manifest where status = 'loaded' and row_count > 0"
        " order by file_id",
        database=trial.database,
    )
    if not loaded:
        return False
    dataset, name, file_id = trial.random.choice(loaded)
    with trial.server.cursor(trial.database) as cursor:
        # the names are the laboratory's own
        cursor.execute(
            f"delete from raw.{DATASETS[dataset].name} where ctid in"
            f" (select ctid from raw.{DATASETS[dataset].name} where _file_id = %s limit %s)",
            (file_id, trial.random.randint(1, 20)),
        )
    trial.run("transform", "--force")
    status = trial.run("status")
    trial.commands.remove(status)
    if name not in status.output or "reload" not in status.output:
        trial.findings.append(Finding("silent", f"{name}: rows were deleted by hand, and status does not say so"))
    trial.run_without_build("reload", name)
    return True


FAULTS = (
    Fault(
        "older backup restored",
        "The database is put back to a state before the last two runs.",
        _older_backup,
    ),
    Fault(
        "rows deleted by hand",
        "Some rows of a file are deleted with SQL; status must name the file, and reload must bring them back.",
        _rows_deleted,
    ),
)

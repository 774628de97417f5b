"""Runs of the image on a PostgreSQL server: read-only root, no capabilities, the role `pipeline`."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.container.conftest import PASSWORD, POSTGRES_IMAGE, FirstRun
from tests.container.engine import (
    REPOSITORY,
    Database,
    Pipeline,
    Result,
    command,
    docker,
    eventually,
    exit_code,
    logs,
)

pytestmark = pytest.mark.container

LOADED = "select count(*), count(distinct _file_id), max(_loaded_at) from raw.daily_activity"
LAST_RUN = "select status, exit_code, error_summary from ops.pipeline_runs order by started_at desc limit 1"
HEADER = (REPOSITORY / "sample_data/daily_activity_2026-04-01.csv").read_text().splitlines()[0]


@pytest.fixture
def landing_zone(tmp_path: Path) -> Path:
    """A copy of a month of sample data that the test can change."""
    folder = tmp_path / "landing"
    folder.mkdir()
    for name in ("daily_activity_2026-04-01.csv", "sleep_2026-04-01.csv"):
        shutil.copyfile(REPOSITORY / "sample_data" / name, folder / name)
    folder.chmod(0o755)
    for path in [tmp_path, *tmp_path.parents[:2]]:
        path.chmod(path.stat().st_mode | 0o055)
    return folder


@pytest.fixture
def small(pipeline: Pipeline, landing_zone: Path) -> Pipeline:
    return replace(pipeline, landing_zone=landing_zone)


@pytest.fixture
def big(small: Pipeline, landing_zone: Path) -> Pipeline:
    """The same with a file that takes some seconds to load."""
    days = "".join(
        f"{user},4/{day}/2026,{user % 20000},1,1,0,1,0,1,0,1,1,1,900,2000\n"
        for user in range(1, 2001)
        for day in range(1, 29)
    )
    with (landing_zone / "daily_activity_2026-04-02.csv").open("w") as file:
        file.write(HEADER + "\n")
        for _ in range(50):
            file.write(days)
    return small


def test_a_first_run_by_an_arbitrary_user_on_a_read_only_root(first_run: FirstRun) -> None:
    database = first_run.database
    assert database.query(LAST_RUN) == "success|0|"
    assert int(database.query("select count(*) from raw.daily_activity")) > 3000
    assert int(database.query("select count(*) from marts.fct_user_status")) > 0
    tests = "select count(*) > 0 from ops.dbt_node_results where resource_type = 'test' and status = 'pass'"
    assert database.query(tests) == "t", "dbt's tests ran and passed"
    assert PASSWORD not in first_run.result.output


def test_a_run_without_new_files_takes_less_than_three_seconds(again: Pipeline, filled: Database) -> None:
    loaded = filled.query(LOADED)
    seconds = []
    for _ in range(3):
        result = again.run()
        assert result.returncode == 0, result.output
        seconds.append(result.seconds)
    assert filled.query(LOADED) == loaded
    # On a busy machine the limit grows with the load.
    limit = 3 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert min(seconds) < limit, f"it took {min(seconds):.2f} s from docker run to exit, limit {limit:.2f}"


def test_every_command_succeeds_after_a_run(again: Pipeline, filled: Database) -> None:
    for words in (("migrate",), ("ingest",), ("transform",), ("status",), ("status", "--json"), ("migrate", "--plan")):
        result = again.run(*words)
        assert result.returncode == 0, f"{words}: {result.output}"
    applied = filled.query("select count(*) from ops.schema_migrations")
    assert applied == str(len(list((REPOSITORY / "sql").glob("*.sql"))))


def test_erase_works_with_separate_roles(again: Pipeline, filled: Database) -> None:
    user = filled.query("select min(user_id) from raw.sleep")
    result = again.run("erase", "--user-id", user, environment={"PIPELINE_ERASURE_KEY": "a long secret"})
    assert result.returncode == 0, result.output
    for table in ("raw.sleep", "raw.daily_activity", "marts.fct_user_status"):
        assert filled.query(f"select count(*) from {table} where user_id = '{user}'") == "0"


class TestFailures:
    def test_a_wrong_password_exits_with_78(self, pipeline: Pipeline) -> None:
        result = pipeline.run(environment={"PGPASSWORD": "wr0ng-pässword"})
        assert result.returncode == 78, result.output
        assert "password authentication failed" in result.stderr
        assert "wr0ng" not in result.output

    def test_an_unknown_database_exits_with_78(self, pipeline: Pipeline) -> None:
        result = pipeline.run(environment={"PGDATABASE": "nowhere"})
        assert result.returncode == 78, result.output
        assert "nowhere" in result.stderr

    def test_an_unreachable_server_exits_with_69(self, pipeline: Pipeline) -> None:
        result = pipeline.run(environment={"PGHOST": "no-such-host", "PIPELINE_DB_WAIT_SECONDS": "2"})
        assert result.returncode == 69, result.output
        assert result.seconds < 15

    def test_a_missing_role_fails_the_run(self, pipeline: Pipeline) -> None:
        result = pipeline.run(environment={"PIPELINE_LOADER_ROLE": "no_such_role"})
        assert result.returncode in {1, 78}, result.output

    def test_a_refused_file_does_not_keep_out_the_others(self, small: Pipeline, database: Database) -> None:
        (small.landing_zone / "sleep_2026-04-02.csv").write_text("Id,SleepDay\n1,4/2/2026\n")
        result = small.run("ingest")
        assert result.returncode == 65, result.output
        assert "sleep_2026-04-02.csv" in result.stderr
        assert int(database.query("select count(*) from raw.daily_activity")) == 981, "the other files were loaded"
        status, code, summary = database.query(LAST_RUN).split("|")
        assert (status, code) == ("failure", "65")
        assert "sleep_2026-04-02.csv" in summary

    def test_the_error_summary_goes_to_the_termination_log(self, pipeline: Pipeline, tmp_path: Path) -> None:
        log = tmp_path / "termination-log"
        log.touch(mode=0o666)
        log.chmod(0o666)
        mount = [f"--volume={log}:/dev/termination-log"]
        pipeline.run(environment={"PGHOST": "no-such-host", "PIPELINE_DB_WAIT_SECONDS": "0"}, options=mount)
        assert "no database connection" in log.read_text()
        pipeline.run(environment={"PGPASSWORD": "", "PGPASSWORD_FILE": "/nowhere"}, options=mount)
        assert "the file /nowhere does not exist" in log.read_text()


class TestSecretFiles:
    def test_a_password_is_read_from_a_file(self, pipeline: Pipeline, tmp_path: Path) -> None:
        secret = tmp_path / "password"
        secret.write_text(PASSWORD + "\n")
        secret.chmod(0o444)
        result = pipeline.run(
            "migrate",
            environment={"PGPASSWORD": "", "PGPASSWORD_FILE": "/run/secrets/password"},
            options=[f"--volume={secret}:/run/secrets/password:ro"],
        )
        assert result.returncode == 0, result.output

    def test_a_file_that_only_root_can_read_is_reported(self, pipeline: Pipeline, tmp_path: Path) -> None:
        secret = tmp_path / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o400)
        result = pipeline.run(
            environment={"PGPASSWORD": "", "PGPASSWORD_FILE": "/run/secrets/password"},
            options=[f"--volume={secret}:/run/secrets/password:ro", "--user=54321"],
        )
        assert result.returncode == 78, result.output
        assert "uid 54321 cannot read" in result.stderr


def test_a_run_waits_for_a_database_that_starts_later(pipeline: Pipeline, network: str) -> None:
    late = f"{network}-late"
    environment = {
        "PGHOST": late,
        "PGUSER": "postgres",
        "PGPASSWORD": "late",
        "PGDATABASE": "postgres",
        **dict.fromkeys(("PIPELINE_OWNER_ROLE", "PIPELINE_LOADER_ROLE", "PIPELINE_TRANSFORMER_ROLE"), ""),
        "PIPELINE_DB_WAIT_SECONDS": "60",
    }
    with pipeline.started("migrate", environment=environment) as name:
        eventually(lambda: "waiting for the database" in logs(name), "the run waits for the database")
        docker(
            *("run", "--detach", "--name", late, f"--network={network}", "--env=POSTGRES_PASSWORD=late"),
            *("--env=PGDATA=/var/lib/postgresql/data/pgdata", "--tmpfs=/var/lib/postgresql/data:size=512m"),
            *(POSTGRES_IMAGE, "postgres"),
        )
        try:
            assert exit_code(name, 90) == 0, logs(name)
        finally:
            command("docker", "rm", "--force", "--volumes", late)


class TestSignals:
    @pytest.mark.parametrize(("signal", "code"), [("TERM", 143), ("INT", 130)])
    def test_a_signal_rolls_back_the_current_load(
        self, big: Pipeline, database: Database, signal: str, code: int
    ) -> None:
        with big.started() as name:
            copying = "select count(*) from pg_stat_progress_copy where tuples_processed > 100000"
            eventually(lambda: database.query(copying) == "1", "a load starts")
            docker("kill", f"--signal={signal}", name)
            assert exit_code(name, 10) == code, logs(name)
        status, exit_status, summary = database.query(LAST_RUN).split("|")
        assert (status, exit_status) == ("failure", str(code))
        assert f"SIG{signal}" in summary
        known = "select file_id from ops.raw_ingest_manifest"
        orphaned = f"select count(*) from raw.daily_activity where _file_id not in ({known})"
        assert database.query(orphaned) == "0"
        assert database.query("select count(*) from pg_stat_progress_copy") == "0"
        assert int(database.query("select count(*) from raw.daily_activity")) in {0, 981}, "no file is loaded in part"

    def test_a_signal_during_dbt_cancels_its_queries(self, small: Pipeline, database: Database) -> None:
        with small.started() as name:
            of_dbt = "from pg_stat_activity where application_name like 'dbt%' and datname = current_database()"
            eventually(lambda: database.query(f"select count(*) > 0 {of_dbt}") == "t", "dbt runs a query")
            docker("kill", "--signal=TERM", name)
            assert exit_code(name, 15) == 143, logs(name)
        assert database.query(f"select count(*) {of_dbt} and state = 'active'") == "0", "no query continues"
        status, exit_status, summary = database.query(LAST_RUN).split("|")
        assert (status, exit_status) == ("failure", "143")
        assert "SIGTERM" in summary

    def test_docker_stop_ends_the_run_within_the_grace_period(self, big: Pipeline, database: Database) -> None:
        with big.started("ingest") as name:
            eventually(lambda: database.query("select count(*) from pg_stat_progress_copy") == "1", "a load starts")
            assert command("docker", "stop", "--time=20", name).seconds < 10
            assert docker("inspect", "--format", "{{.State.ExitCode}}", name) == "143"

    def test_the_next_run_records_a_killed_run_as_failed(self, big: Pipeline, database: Database) -> None:
        with big.started("ingest") as name:
            eventually(lambda: database.query("select count(*) from pg_stat_progress_copy") == "1", "a load starts")
            docker("kill", "--signal=KILL", name)
            assert exit_code(name) == 137
        (big.landing_zone / "daily_activity_2026-04-02.csv").unlink()
        assert big.run("ingest").returncode == 0
        dead = "select count(*) from ops.pipeline_runs where status = 'failure' and error_summary like '%died%'"
        assert database.query(dead) == "1"


def at_once(pipeline: Pipeline, number: int, *words: str) -> list[Result]:
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(lambda _: pipeline.run(*words), range(number)))


class TestTwoAtOnce:
    def test_two_runs_run_one_after_the_other(self, again: Pipeline, filled: Database) -> None:
        loaded = filled.query(LOADED)
        assert [result.returncode for result in at_once(again, 2, "run")] == [0, 0]
        assert filled.query(LOADED) == loaded
        assert filled.query("select status, count(*) from ops.pipeline_runs group by 1") == "success|3"

    def test_four_workers_load_each_file_once(self, pipeline: Pipeline, database: Database) -> None:
        """The Kubernetes overlay parallel-ingest runs the image like this."""
        assert pipeline.run("migrate").returncode == 0
        results = at_once(pipeline, 4, "ingest")
        assert [result.returncode for result in results] == [0, 0, 0, 0], results
        assert database.query("select status, count(*) from ops.raw_ingest_manifest group by 1") == "loaded|11"
        recorded = "select sum(row_count) from ops.raw_ingest_manifest where source = 'sleep'"
        counted = f"select count(*) = ({recorded}) from raw.sleep"
        assert database.query(counted) == "t"

    def test_the_second_run_can_decline_instead_of_waiting(self, big: Pipeline, database: Database) -> None:
        with big.started("ingest"):
            eventually(lambda: database.query("select count(*) from pg_stat_progress_copy") == "1", "a load starts")
            result = big.run(environment={"PIPELINE_ON_CONCURRENT_RUN": "decline"})
        assert result.returncode == 75, result.output
        assert "holds the lock" in result.stderr


@pytest.fixture
def certificate(server: str, tmp_path: Path) -> Iterator[Path]:
    """A certificate for the name of the session's server, which uses TLS until the end of the test."""
    done = command(
        *(
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "1",
        ),
        *("-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "crt"), "-subj", f"/CN={server}"),
        *("-addext", f"subjectAltName=DNS:{server}"),
    )
    assert done.returncode == 0, done.output
    for name in ("key", "crt"):
        docker("cp", str(tmp_path / name), f"{server}:/tmp/server.{name}")
    docker("exec", server, "sh", "-c", "chown postgres /tmp/server.* && chmod 600 /tmp/server.key")
    maintenance = Database(server, "postgres")
    for setting in ("ssl_cert_file = '/tmp/server.crt'", "ssl_key_file = '/tmp/server.key'", "ssl = on"):
        maintenance.query(f"alter system set {setting}")
    maintenance.query("select pg_reload_conf()")
    yield tmp_path / "crt"
    maintenance.query("alter system reset all")
    maintenance.query("select pg_reload_conf()")


class TestTls:
    def test_a_known_certificate_is_accepted(self, pipeline: Pipeline, certificate: Path) -> None:
        mount = [f"--volume={certificate}:/run/secrets/ca.crt:ro"]
        environment = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/run/secrets/ca.crt"}
        result = pipeline.run("ingest", environment=environment, options=mount)
        assert result.returncode == 0, result.output

    @pytest.mark.usefixtures("certificate")
    def test_an_unknown_certificate_is_refused(self, pipeline: Pipeline) -> None:
        environment = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/etc/ssl/certs/ca-certificates.crt"}
        result = pipeline.run("migrate", environment=environment)
        assert result.returncode == 78, result.output
        assert "certificate verify failed" in result.stderr


class TestScheduledRun:
    """scripts/run-scheduled.sh, called as in scheduled.yml."""

    def schedule(self, pipeline: Pipeline, tmp_path: Path, **environment: str) -> tuple[int, dict[str, str], Path]:
        output = tmp_path / "output"
        outputs = tmp_path / "github-output"
        result = command(
            str(REPOSITORY / "scripts/run-scheduled.sh"),
            environment={
                "PATH": os.environ["PATH"],
                "IMAGE": pipeline.image,
                "NETWORK": pipeline.network,
                "DATA_DIR": str(pipeline.landing_zone),
                "OUTPUT": str(output),
                "GITHUB_OUTPUT": str(outputs),
                **pipeline.environment,
                **environment,
            },
        )
        assert PASSWORD not in result.output
        outputs_of_step = dict(line.split("=", 1) for line in outputs.read_text().splitlines())
        return result.returncode, outputs_of_step, output

    def test_a_success_sets_the_outputs_of_the_step(self, small: Pipeline, database: Database, tmp_path: Path) -> None:
        code, outputs, output = self.schedule(small, tmp_path)
        assert (code, outputs["exit_code"], outputs["error_summary"]) == (0, "0", "")
        assert outputs["run_id"] == database.query("select run_id from ops.pipeline_runs")
        assert (output / "dbt/run_results.json").exists()
        assert (output / "dbt/manifest.json").exists()
        assert outputs["run_id"] in (output / "pipeline.log").read_text()

    def test_a_failure_writes_the_outputs_of_the_step(self, small: Pipeline, tmp_path: Path) -> None:
        code, outputs, output = self.schedule(small, tmp_path, PGDATABASE="nowhere")
        assert (code, outputs["exit_code"]) == (78, "78")
        assert "nowhere" in outputs["error_summary"]
        assert "nowhere" in (output / "pipeline.log").read_text()

"""One trial: a landing zone, a database, commands, and what the fault needs to do harm."""

import os
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.torture import process, snapshot, zone
from tests.torture.disk import Disk
from tests.torture.findings import Finding
from tests.torture.model import Model
from tests.torture.process import Command
from tests.torture.proxy import Pause, Proxy, Rule
from tests.torture.server import Server
from tests.torture.zone import Zone

TEMPLATE = "migrated"
# bytes from the pipeline to the server: until ingest begins, for all migrations, and for a file besides its rows
_UNTIL_INGEST = 3_400
_MIGRATIONS = 27_000
_PER_FILE = 5_000
_TWO_DAYS = 2 * 86_400


def unjudged(exc: Exception) -> Finding:
    """Return the finding that the laboratory itself has failed, which must not look like a success."""
    return Finding("other", f"the trial could not be judged: {type(exc).__name__}: {' '.join(str(exc).split())[:200]}")


@dataclass
class Place:
    """What all trials share.

    Arguments:
        server: the server.
        temporary: the disk for temporary files.
        folder: everything else.
        group: the process group for all processes.

    """

    server: Server
    temporary: Disk
    folder: Path
    group: int


@dataclass
class Trial:
    """A trial.

    Arguments:
        place: what all trials share.
        seed: decides everything that the laboratory can decide.
        has_marts: whether commands build the marts, which takes seconds.
        commands: those that were started.
        variables: settings of theirs that the trial adds.
        findings: what was found so far.
        is_migrated: whether the migrations were applied before the first command.

    """

    place: Place
    seed: int
    has_marts: bool
    random: Random = field(init=False)
    zone: Zone = field(init=False)
    model: Model = field(init=False)
    commands: list[Command] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    is_migrated: bool = True

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311
        self.folder = self.place.folder / f"trial_{self.seed}"
        self.temporary = self.place.temporary.root / f"trial_{self.seed}"
        for folder in (self.folder, self.folder / "landing", self.temporary):
            folder.mkdir()
        self.zone = Zone(self.folder / "landing")
        self.model = Model(self.zone)
        self.database = f"trial_{self.seed}"
        self.proxy = Proxy(self.place.server.socket)

    @property
    def server(self) -> Server:
        return self.place.server

    @property
    def command(self) -> str:
        """The command that loads the landing zone in this trial."""
        return "run" if self.has_marts else "ingest"

    def prepare(self, *, is_migrated: bool = True, has_history: bool | None = None, large: int | None = None) -> None:
        """Create the database and fill the landing zone.

        Arguments:
            is_migrated: whether the migrations are applied.
            has_history: whether an earlier run has loaded files, some of which have changed since; None for chance.
            large: how many large files to add; None for chance.

        """
        self.is_migrated = is_migrated
        self.server.create_database(self.database, TEMPLATE if is_migrated else "template1")
        if is_migrated and (self.random.random() < 0.5 if has_history is None else has_history):
            zone.fill(self.random, self.zone, self.random.randint(2, 5))
            # the first load is not under test, and builds no marts
            self.run("ingest")
            self.remember()
            zone.change(self.random, self.zone)
        large = self.random.choice((0, 0, 1, 2)) if large is None else large
        zone.fill(self.random, self.zone, self.random.randint(2, 6), large=large)
        self.variables["PIPELINE_WORKERS"] = str(self.random.choice((1, 1, 2, 4)))

    def remember(self) -> None:
        """Remember what is loaded now: the fault must not lose it."""
        loaded = snapshot.take(self.server, self.database).loaded
        self.model.kept = {(file.filename, file.checksum) for file in loaded}

    def start(self, *arguments: str) -> Command:
        """Start a command through the proxy."""
        variables = process.environment(self.proxy.port, self.database, self.zone.root, self.folder, self.temporary)
        command = process.start(arguments, variables | self.variables, self.place.group)
        command.zone_version = self.zone.version
        self.commands.append(command)
        return command

    def run(self, *arguments: str) -> Command:
        """Run a command to its end."""
        command = self.start(*arguments)
        command.wait()
        return command

    def run_without_build(self, *arguments: str) -> Command:
        """Run a command that builds the marts at its end, and stop it there."""
        command = self.start(*arguments)
        if command.await_log("dbt_build", "started"):
            command.send(signal.SIGTERM)
        command.wait()
        return command

    def load(self) -> Command:
        """Load the landing zone to the end, with the fault's rule in force."""
        return self.run(self.command)

    def rows(self) -> list[str]:
        """Return the rows of all files."""
        return [row for content in self.zone.current.values() for row in content.rows]

    def instant(self) -> int:
        """Return a random byte of the traffic to the server: a third of them before the files are loaded."""
        begin = _UNTIL_INGEST + (0 if self.is_migrated else _MIGRATIONS)
        if self.random.random() < 0.35:
            return self.random.randint(100, begin)
        return self.random.randint(begin, begin + _PER_FILE * len(self.zone.current) + self.zone.size())

    def loading_instant(self, name: str) -> int:
        """Return a random byte of the traffic while a file is sent, if it is the only large one."""
        begin = _UNTIL_INGEST + _PER_FILE
        return begin + round(self.random.uniform(0.02, 0.6) * len(self.zone.current[name].data))

    def impose(self, rule: Rule) -> None:
        """Put a rule in force on all connections."""
        self.proxy.rule = rule

    def heal(self) -> None:
        """End the fault: the network, the disks and the server work again, and what was started has ended."""
        rule, self.proxy.rule = self.proxy.rule, Rule()
        if isinstance(rule, Pause):
            rule.over.set()
        if rule.error:
            self.findings.append(unjudged(rule.error))
        self.place.temporary.free(os.getpid())
        self.server.disk.free(self.server.process.pid)
        self.server.ensure_running()
        for command in self.commands:
            command.wait()
        self.proxy.cut_all()

    def age_leftovers(self) -> None:
        """Make what is left in the temporary folder, the reports and the landing zone two days old."""
        moment = time.time() - _TWO_DAYS
        for folder in (self.temporary, self.folder / "reports", self.zone.root):
            for path in folder.rglob("*"):
                relative = path.relative_to(folder).parts
                is_left = folder == self.temporary or (relative[-1].startswith(".") and relative[0] != ".archive")
                if is_left and not path.is_symlink():
                    os.utime(path, (moment, moment))

    def close(self) -> None:
        """Drop everything that the trial has made."""
        self.proxy.close()
        self.server.drop_database(self.database)
        for folder in (self.folder, self.temporary):
            shutil.rmtree(folder, ignore_errors=True)

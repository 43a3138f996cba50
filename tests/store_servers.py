"""Real servers for the tests, on loopback, with their data in a folder that goes with them.

They run as an unprivileged user where the tests run as root, which PostgreSQL refuses.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PASSWORD = "s3cr3t-w0rd"  # noqa: S105
PATIENCE = 30.0


def redis_server() -> str | None:
    """Where Redis or Valkey is, if it is installed."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


def postgres_server() -> Path | None:
    """The folder with PostgreSQL's programs, if it is installed; Debian has none of them on the path."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), *map(Path, filter(None, [shutil.which("initdb")]))]
    return max(found).parent if found else None


def _unprivileged() -> dict[str, Any]:
    """How to start what must not run as root."""
    return {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def _folder() -> Generator[Path]:
    path = Path(tempfile.mkdtemp(prefix="streamspan-"))
    if os.geteuid() == 0:
        shutil.chown(path, "nobody")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Server:
    """A server that can be stopped, and started again with what it had."""

    def __init__(self, url: str, command: list[str], answers: Callable[[], object], folder: Path) -> None:
        self.url = url
        self._command = command
        self._answers = answers
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it answers."""
        with (self._folder / "log").open("ab") as log:
            process = self._process = subprocess.Popen[bytes](
                self._command, stdout=log, stderr=log, cwd=self._folder, **_unprivileged()
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._answers()
            except Exception:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError((self._folder / "log").read_text()) from None
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Returns once it is gone."""
        if self._process is not None:
            self._process.terminate() if "redis" in self.url else self._process.send_signal(
                2
            )  # PostgreSQL: without waiting for clients
            self._process.wait(PATIENCE)
            self._process = None


@contextmanager
def _running(server: Server) -> Generator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def redis(program: str) -> Generator[Server]:
    """A Redis that writes down all it has when it is stopped."""
    import redis as library

    with _folder() as folder:
        port = _free_port()
        url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
        options = {
            "port": port,
            "bind": "127.0.0.1",
            "dir": folder,
            "requirepass": PASSWORD,
            "save": "3600 1",
            "appendonly": "yes",
            "appendfsync": "everysec",
        }
        command = [program, *(part for name, value in options.items() for part in (f"--{name}", str(value)))]
        client: Any = library.Redis(port=port, password=PASSWORD)
        with _running(Server(url, command, client.ping, folder)) as server:
            yield server
        client.close()


@contextmanager
def postgres(programs: Path) -> Generator[Server]:
    """A PostgreSQL with a database of its own."""
    import psycopg

    with _folder() as folder:
        secret, data, port = folder / "password", folder / "data", _free_port()
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        setup = [
            "initdb",
            "-D",
            data,
            "-U",
            "me",
            "--pwfile",
            secret,
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--locale",
            "C",
            "--no-sync",
        ]
        subprocess.run([programs / setup[0], *setup[1:]], check=True, capture_output=True, cwd=folder, **_unprivileged())
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "16MB",
        }
        command = [
            str(programs / "postgres"),
            "-D",
            str(data),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        ]
        url = f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/postgres"
        with _running(Server(url, command, lambda: psycopg.connect(url).close(), folder)) as server:
            yield server

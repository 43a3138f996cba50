"""Backends that are Python packages: each in an environment of its own, outside of the checkout, which is made once.

tests/stack/requirements-NAME.txt says what is installed.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from stack.processes import free_ports, read
from stack.programs import cache_folder

from elsewhere_page import Server

PATIENCE: Final = 180.0
"""Seconds for a backend to answer: they import half of PyPI, and make a database first."""


def requirements(name: str) -> Path:
    """The file that says what is installed."""
    return Path(__file__).with_name(f"requirements-{name}.txt")


def version(name: str) -> str:
    """Of the package itself."""
    found = re.search(r"^[\w-]+==(\S+)$", requirements(name).read_text(), re.MULTILINE)
    assert found, "the requirement is pinned"
    return found[1]


def environment_of(name: str) -> Path:
    """The folder with its programs; what cannot be installed skips the test, and says so."""
    place = cache_folder() / f"{name}-{version(name)}"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        making = place.with_name(f"{place.name}.{os.getpid()}")
        try:
            _install(name, making)
        except subprocess.CalledProcessError as error:
            shutil.rmtree(making, ignore_errors=True)
            pytest.skip(f"NOT INSTALLED: {name} {version(name)}: {error.stderr.strip()[-400:]}")
        try:
            making.rename(place)
        except OSError:  # somebody else was quicker
            shutil.rmtree(making)
    return place / "bin"


def _install(name: str, place: Path) -> None:
    """With uv, which takes seconds, or with pip where uv is not there or reaches no index."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if uv:
        try:
            _run(uv, "venv", "--quiet", "--clear", "--relocatable", "--python", sys.executable, str(place))
            return _run(uv, "pip", "install", "--quiet", "--requirement", str(requirements(name)), VIRTUAL_ENV=str(place))
        except subprocess.CalledProcessError as error:
            sys.stderr.write(f"uv: {error.stderr}\n")
    venv.create(place, with_pip=True, clear=True)
    return _run(str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--requirement", str(requirements(name)))


def _run(*command: str, **variables: str) -> None:
    downloads = {"UV_CACHE_DIR": str(cache_folder() / "uv"), "PIP_CACHE_DIR": str(cache_folder() / "pip")}  # tests have no other
    settings = {"UV_SYSTEM_CERTS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environment = os.environ | downloads | settings | variables
    subprocess.run(command, env=environment, check=True, capture_output=True, text=True)


@contextmanager
def serving(name: str, server: Server, port_in: str, more: Mapping[str, str], ready: str) -> Generator[str]:
    """The backend, by the command of its chapter, until the block ends; gives its address.

    Args:
        name: which one.
        server: its command.
        port_in: the variable that its port is in.
        more: other variables, which keep it to this test.
        ready: the path that answers once it is ready.
    """
    programs = environment_of(name)
    [port] = free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="streamspan-"))
    kept = {key: os.environ[key] for key in ("LANG", "TMPDIR") if key in os.environ}
    variables = kept | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(folder),
        **server.environment,
        **more,
        port_in: str(port),
    }
    command = [str(programs / "python"), str(programs / server.command[0]), *server.command[1:]]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=variables, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}{ready}", process, folder / "log")
        yield url
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # a group of its own: with what it has started
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def ask(url: str, body: Any) -> Any:
    """What it answers to a POST; both are JSON."""
    address = urlsplit(url)
    connection = HTTPConnection(address.netloc, timeout=30)
    try:
        connection.request("POST", address.path, json.dumps(body), {"content-type": "application/json"})
        return json.load(connection.getresponse())
    finally:
        connection.close()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            read(url, 5.0)
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{url}: {error}\n{log.read_text(errors='replace')[-4000:]}") from None
            time.sleep(0.2)
        else:
            return

"""`streamspan run`: the program notices nothing, and its calls are there."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamspan import cli
from streamspan.viewer import application
from streamspan.viewer.application import command_of, environment
from streamspan.viewer.store import Store

from arriving import ours, span
from pseudo_terminal import terminal
from viewing import Running, read

RUN = [sys.executable, "-m", "streamspan.cli", "run", "--port", "0"]
PROGRAM = """
import signal, sys, time
from opentelemetry import trace
with trace.get_tracer("t").start_as_current_span("chat m", attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}):
    print("out", sys.argv[1:], sys.stdin.read())
    print("err", file=sys.stderr)
sys.exit(3)
"""
WAITS = """
import os, signal, sys, time
def told(number, _):
    os.write(1, f"{signal.Signals(number).name}\\n".encode())  # print may be at it, and cannot be entered twice
    sys.exit(5)
for name in sys.argv[1:]:
    signal.signal(getattr(signal, name), told)
print("ready", flush=True)
time.sleep(30)
"""


def test_program_is_left_alone(tmp_path: Path) -> None:
    """Arguments, input, output and exit code are its own; what we say is on stderr; its calls are in the file."""
    (tmp_path / "app.py").write_text(PROGRAM)
    database = tmp_path / "view.db"
    command = [*RUN, "--db", str(database), "app.py", "--flag", "x y"]
    done = subprocess.run(command, cwd=tmp_path, input="in", capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, done.stdout) == (3, "out ['--flag', 'x y'] in\n"), done.stderr
    assert "streamspan: your calls: http://127.0.0.1:" in done.stderr
    assert "\nerr\n" in done.stderr
    store = Store(str(database))
    assert store.select("SELECT model, service FROM calls") == [("m", "app")]
    store.close()


@pytest.mark.parametrize(("name", "handled"), [("SIGTERM", False), ("SIGINT", True)])
def test_signals(tmp_path: Path, name: str, *, handled: bool) -> None:
    """A signal reaches the program, and what becomes of it becomes of us."""
    (tmp_path / "app.py").write_text(WAITS)
    command = [*RUN, "--db", ":memory:", str(tmp_path / "app.py"), *([name] if handled else [])]
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, start_new_session=True, preexec_fn=default_signals) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(getattr(signal, name))
        printed, _ = process.communicate(timeout=30)
    wanted = (5, f"{name}\n") if handled else (-getattr(signal, name), "")
    assert (process.returncode, printed) == wanted


def default_signals() -> None:
    """A shell starts its background jobs with SIGINT ignored, and that is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_port_of_another_viewer(
    tmp_path: Path, start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """Where a viewer runs on the usual port, the calls go there; where something else does, we take a free port; both are said."""
    viewer = start()
    (tmp_path / "app.py").write_text("import os, sys; print(os.environ['OTEL_EXPORTER_OTLP_ENDPOINT'])")
    wishes = application.Wishes([str(tmp_path / "app.py")], ":memory:")
    monkeypatch.setattr(application, "PORT", int(viewer.address.rpartition(":")[2]))
    assert application.run(wishes) == 0
    out, err = capfd.readouterr()
    assert out.strip() == viewer.address
    assert "already (:memory:): the calls go there" in err

    def nobody(_: str, __: str) -> None:
        return None

    monkeypatch.setattr(application, "about", nobody)
    assert application.run(wishes) == 0
    out, err = capfd.readouterr()
    assert out.strip() not in ("", viewer.address)
    assert "is taken by another program: the viewer takes a free one" in err


def test_environment() -> None:
    """All leads to the viewer; what else the user has set stays."""
    had = {
        "HOME": "/home/me",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces",
        "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "grpc",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_SDK_DISABLED": "true",
        "OTEL_SERVICE_NAME": "mine",
        "no_proxy": "intern",
    }
    assert environment(had, "http://127.0.0.1:1", "hush", "app") == {
        "HOME": "/home/me",
        "no_proxy": "intern",
        "NO_PROXY": "127.0.0.1,intern",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20hush",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_PYTHON_CONFIGURATOR": "streamspan",
        "OTEL_PYTHON_DISTRO": "streamspan",
        "OTEL_SERVICE_NAME": "mine",
        "OTEL_TRACES_EXPORTER": "otlp",
    }
    assert application._elsewhere(had) == "http://collector:4318"
    assert application._elsewhere(had | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}) == ""


def test_commands() -> None:
    """Files and modules are run by our Python; other commands as they are found."""
    assert command_of(["app.py", "-x"]) == [sys.executable, "app.py", "-x"]
    assert command_of(["-m", "json.tool"]) == [sys.executable, "-m", "json.tool"]
    assert (command_of(["sh", "-c", "true"]) or [])[1:] == ["-c", "true"]
    assert command_of(["no-such-program"]) is None


def test_module_and_no_program(tmp_path: Path) -> None:
    """A module is run with its options; a program that is not there, and none at all, are said."""
    (tmp_path / "tool.py").write_text("import sys; print(sys.argv[1:])")
    for arguments, code, out, told in (
        (["-m", "tool", "-m", "--db"], 0, "['-m', '--db']\n", "your calls"),
        (["no-such-program"], 127, "", "there is no program 'no-such-program'"),
    ):
        command = [*RUN, "--db", ":memory:", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=50
        )
        assert (done.returncode, done.stdout) == (code, out), done.stderr
        assert told in done.stderr


def test_about(start: Callable[..., Running]) -> None:
    """A viewer says what it is to who may ask."""
    viewer = start(token="hush")
    assert application.about(viewer.address, "") is None
    found = application.about(viewer.address, "hush")
    assert found
    assert found["database"] == ":memory:"
    assert application.about("http://127.0.0.1:9", "") is None
    assert viewer.send(span(ours()), authorization="Bearer hush") == 200


def test_view_where_a_viewer_runs(viewer: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """A second viewer on the same port says where the first one is."""
    port = viewer.address.rpartition(":")[2]
    assert cli.main(["view", "--port", port, "--db", ":memory:"]) == 1
    told = f"streamspan view: a viewer runs there already, open {viewer.address} (its calls: :memory:)\n"
    assert capsys.readouterr() == ("", told)


FORKS = """
import os, sys
from opentelemetry import trace
def ask(model):
    with trace.get_tracer("t").start_as_current_span("chat", attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": model}):
        pass
if not (child := os.fork()):
    ask("child")
    sys.exit(0)
os.waitpid(child, 0)
ask("parent")
sys.stdout.buffer.write(repr(sys.argv[1:]).encode() + sys.stdin.buffer.read())
sys.stdout.flush()
trace.get_tracer_provider().force_flush()
os.kill(os.getpid(), 9)
"""
OURS_TOO = ["--port", "x", "--db", "--end", "-m", "--", "--help"]


def test_bytes_forks_and_a_death(tmp_path: Path) -> None:
    """Bytes are passed as they are, options behind the program are its own, a child's calls are there, and its death is ours."""
    (tmp_path / "app.py").write_text(FORKS)
    database, given = tmp_path / "view.db", bytes(range(256)) * 4096
    command = [*RUN, "--db", str(database), "app.py", *OURS_TOO]
    done = subprocess.run(command, cwd=tmp_path, input=given, capture_output=True, check=False, timeout=50)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout == repr(OURS_TOO).encode() + given
    store = Store(str(database))
    assert store.select("SELECT model FROM calls ORDER BY 1") == [("child",), ("parent",)]
    store.close()


POOLS = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from opentelemetry import trace
def ask(model):
    with trace.get_tracer("t").start_as_current_span("chat", attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": model}):
        return model
if __name__ == "__main__":
    with ProcessPoolExecutor(2, mp_context=get_context(sys.argv[1])) as pool:
        print(*pool.map(ask, ["a", "b", "c"]))
"""


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_pools(tmp_path: Path, method: str) -> None:
    """The calls of short-lived workers are there, which leave without what `atexit` has."""
    (tmp_path / "app.py").write_text(POOLS)
    database = tmp_path / "view.db"
    command = [*RUN, "--db", str(database), "app.py", method]
    done = subprocess.run(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=50
    )
    assert (done.returncode, done.stdout) == (0, "a b c\n"), done.stderr
    store = Store(str(database))
    assert store.select("SELECT model FROM calls ORDER BY 1") == [("a",), ("b",), ("c",)]
    store.close()


ASKS = """
import signal, sys
interrupts = []
signal.signal(signal.SIGINT, lambda *_: interrupts.append(1))
print("tty", sys.stdin.isatty(), sys.stdout.isatty(), input("name? "))
while not interrupts:
    signal.sigtimedwait([], 0.05)
signal.sigtimedwait([], 0.5)
print(len(interrupts), "interrupt")
sys.exit(7)
"""


def test_in_a_terminal(tmp_path: Path) -> None:
    """The program has the terminal, and a Ctrl-C once; when it has ended the page stays until the next one; the code is its own."""
    (tmp_path / "app.py").write_text(ASKS)
    with terminal([*RUN, "--db", ":memory:", str(tmp_path / "app.py")], columns=200) as shown:
        shown.shows(lambda _: "name? " in shown.written)
        shown.type("Ann\n")
        shown.shows(lambda _: "tty True True Ann" in shown.written)
        shown.type("\x03")
        shown.shows(lambda _: "ended with exit code 7; the page stays until Ctrl-C" in shown.written)
        assert "1 interrupt" in shown.written
        address = re.findall(r"your calls: (http://\S+)", shown.written)[0]
        assert read(address, "/api/about")["name"] == "streamspan"
        shown.type("\x03")
        assert shown.ended() == 7

import multiprocessing
import os
import subprocess
import sys
import threading

import pytest

from streamspan import workers

PROGRAM = """
import multiprocessing, os, sys
from streamspan.workers import at_the_end_of_workers
at_the_end_of_workers(lambda: os.write(1, b"sent "))
if __name__ == "__main__":
    for work in (lambda: None, lambda: sys.exit(3), lambda: 1 / 0):
        process = multiprocessing.get_context("fork").Process(target=work)
        process.start()
        process.join()
        os.write(1, f"{process.exitcode} ".encode())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_each_worker_sends_once() -> None:
    """However a worker ends, what it has is sent, its exit code stays; the program itself is left alone."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=50)
    assert done.stdout == "sent 0 sent 3 sent 1 ", done.stderr


def test_receiver_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a worker is held up for so long, and no longer."""
    monkeypatch.setattr(workers, "PATIENCE", 0.01)
    never = threading.Event()
    workers._Workers(never.wait).end()
    assert multiprocessing.active_children() == []
    never.set()

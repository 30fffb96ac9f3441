"""Items are worked on in processes: all are answered, even when a process dies over one."""

import math
import subprocess
import sys
import time

import psutil
import pytest

from luna16.worker_processes import run_each


@pytest.mark.parametrize("num_jobs", [1, 2, 9])
def test_every_item_is_answered_once(num_jobs: int) -> None:
    assert sorted(run_each(math.sqrt, [1.0, 4.0, 9.0, 16.0], num_jobs=num_jobs)) == [
        (1.0, 1.0),
        (4.0, 2.0),
        (9.0, 3.0),
        (16.0, 4.0),
    ]


def test_nothing_to_do() -> None:
    assert list(run_each(math.sqrt, [], num_jobs=2)) == []


def test_item_over_which_its_process_dies_is_none_and_the_rest_goes_on() -> None:
    commands = ["0", "__import__('os')._exit(3)", "1", "__import__('os').abort()", "2"]
    done = dict(run_each(eval, commands, num_jobs=2))
    assert [done[command] for command in commands] == [0, None, 1, None, 2]


def test_process_killed_from_outside_is_replaced() -> None:
    results = run_each(eval, ["1", "__import__('time').sleep(60)", "2"], num_jobs=1)
    assert next(results) == ("1", 1)
    (worker,) = [p for p in psutil.Process().children() if "spawn_main" in " ".join(p.cmdline())]
    worker.kill()
    assert [result for _, result in results] == [None, 2]


def test_processes_end_at_once_when_the_caller_stops() -> None:
    before = set(psutil.Process().children())
    results = run_each(time.sleep, [0.01, 600.0], num_jobs=2)
    assert next(results) == (0.01, None)
    begun = time.monotonic()
    results.close()
    workers = [p for p in set(psutil.Process().children()) - before if "spawn_main" in " ".join(p.cmdline())]
    assert workers == []
    assert time.monotonic() - begun < 2


INTERRUPTED = """
import math, multiprocessing.util, os, signal, sys, threading, time
from multiprocessing import resource_tracker
from luna16.worker_processes import run_each

def start_and_interrupt(*arguments):
    started.append(start(*arguments))
    if len(started) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGINT)  # which any thread of this process may take
        time.sleep(0.2)
    return started[-1]

resource_tracker.ensure_running()
started, start = [], multiprocessing.util.spawnv_passfds
multiprocessing.util.spawnv_passfds = start_and_interrupt
threading.Thread(target=time.sleep, args=(1,)).start()
try:
    list(run_each(math.sqrt, [1.0, 4.0], num_jobs=2))
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("num_started", [1, 2])
def test_ctrl_c_while_a_process_starts_is_answered_by_the_caller_alone(num_started: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(num_started)], check=False, capture_output=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"interrupted\n", b"")

"""Flower's SuperNode as a process that asks for work four times a second.

Stock Flower 1.39 sleeps three seconds whenever there is nothing to do, which a round pays twice, and
offers no setting for it. Only the sleeping of that one module is changed; it is run by ``supernode.py``.
"""

import os
import time
import traceback
import types

from flwr.supercore.app_utils import start_parent_process_monitor
from flwr.supernode import start_client_internal
from flwr.supernode.cli import flower_supernode

from fl_core.prompt_flower import wait_shortly_for_weights

MAX_SLEEP_S = 0.25


def _sleep_shortly(seconds: float) -> None:
    time.sleep(min(seconds, MAX_SLEEP_S))


if __name__ == "__main__":
    prompt_time = types.SimpleNamespace(sleep=_sleep_shortly, time=time.time)
    vars(start_client_internal)["time"] = prompt_time
    wait_shortly_for_weights()
    start_parent_process_monitor(os.getppid())
    try:
        flower_supernode()
    except Exception:  # noqa: BLE001 - the edge of a process
        traceback.print_exc()
    finally:
        os._exit(0)  # Flower leaves a thread running, which would make a lost link look alive for good

"""The end of ``fl-client`` while a task is still at work in a thread, which Python cannot stop."""

import logging
import os
import sys
import threading

TASK_THREAD = "task"


def leave(code: int) -> None:
    """End this process at once if a task is at work; or else return, for Python to end it as ever.

    Python takes its modules apart under a thread that computes in torch: it would end with an abort, or with
    the thread's error below the line that matters.
    """
    if any(thread.name == TASK_THREAD for thread in threading.enumerate()):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

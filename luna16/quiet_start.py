"""Ctrl-C while a program still imports what it needs, a second or two, ends it without a traceback."""

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Let Ctrl-C end the process at once inside the block; nothing has begun that must be ended well."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:  # as a shell sets it for what runs in the background
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, before)

"""Who asked for something, in words: a user of the monitor, or somebody at the coordinator's terminal."""

import os
import pwd

SCREENING = "the screening of updates"
"""Who shuts a site out whose updates are no good; no user has a blank in the name."""
AT_TERMINAL = " at the terminal"
"""Ends what stands for somebody at the terminal; no user of the monitor has a blank in the name."""


def name_terminal_user() -> str:
    """Name the operating system's user who runs this command, and that it is at the terminal."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # as in a container that was started with any number
        name = f"user {os.getuid()}"
    return name + AT_TERMINAL


def describe_person(name: str) -> str:
    """Say who that is: anna in the monitor, root at the terminal, or a part of the coordinator itself."""
    return name if name == SCREENING or name.endswith(AT_TERMINAL) else f"{name} in the monitor"

"""``python -m fl_monitor`` is the command ``fl-monitor``."""

from fl_monitor.cli import main

main()

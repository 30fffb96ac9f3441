"""``python -m fl_server`` is the command ``fl-server``."""

from fl_server.cli import main

main()

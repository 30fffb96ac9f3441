"""``python -m luna16`` is the command ``luna16``."""

from luna16.cli import main

main()

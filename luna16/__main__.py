"""The command ``luna16``, also as ``python -m luna16``."""

from luna16.quiet_start import quiet_start


def main() -> None:
    """Run ``luna16``."""
    with quiet_start():
        from luna16.cli import main as run
    run()


if __name__ == "__main__":
    main()

"""The command ``fl-monitor``, also as ``python -m fl_monitor``."""

from luna16.quiet_start import quiet_start


def main() -> None:
    """Run ``fl-monitor``."""
    with quiet_start():
        from fl_monitor.cli import main as run
    run()


if __name__ == "__main__":
    main()

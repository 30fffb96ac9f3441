"""The commands ``fl-server``, also as ``python -m fl_server``, and ``fl-demo``."""

from luna16.quiet_start import quiet_start


def main() -> None:
    """Run ``fl-server``."""
    with quiet_start():
        from fl_server.cli import main as run
    run()


def demo() -> None:
    """Run ``fl-demo``."""
    with quiet_start():
        from fl_server.demo import main as run
    run()


if __name__ == "__main__":
    main()

"""The command ``fl-client``, also as ``python -m fl_client``."""

from luna16.quiet_start import quiet_start


def main() -> None:
    """Run ``fl-client``."""
    with quiet_start():
        from fl_client.cli import main as run
    run()


if __name__ == "__main__":
    main()

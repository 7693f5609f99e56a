"""`python -m codec` is the `codec` command."""

from codec.loading import exit_without_library


def main() -> None:
    """Run the command."""
    with exit_without_library():
        from codec.cli import main as run

        run()


if __name__ == "__main__":
    main()

"""`python -m codec` is the `codec` command."""

from codec.cli import main

if __name__ == "__main__":
    main()

"""The console script's entry, so light that Ctrl-C is caught while the command itself is still being imported."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the `pipeline` command; an interruption at any moment is exit code 130 and no traceback."""
    try:
        from pipeline.cli import main as command

        command()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

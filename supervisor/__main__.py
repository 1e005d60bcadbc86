"""``callpoint`` and ``python -m supervisor``."""

import os


def main() -> None:
    """Entry of the command; all else is imported in here, for those who only look at the module."""
    _open_standard_descriptors()
    from supervisor.commands.cli import cli

    cli(prog_name="callpoint")


def _open_standard_descriptors() -> None:
    """Whoever has started us may have closed them: what is opened first, a socket or a lock, would
    be written to as standard error.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
            os.set_inheritable(nowhere, True)


if __name__ == "__main__":
    main()

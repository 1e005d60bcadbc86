"""``callpoint`` and ``python -m supervisor``."""


def main() -> None:
    """Entry of the command; all else is imported in here, for those who only look at the module."""
    from supervisor.commands.cli import cli

    cli(prog_name="callpoint")


if __name__ == "__main__":
    main()

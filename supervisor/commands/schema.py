"""``callpoint schema``."""

import click


@click.command()
@click.option("--example", is_flag=True, help="Instead, a commented config with every key.")
def schema(example: bool) -> None:
    """Print the JSON Schema of a config, for editors.

    \b
    Examples:
      callpoint schema > callpoint.schema.json
      callpoint schema --example > terminal.toml
    """  # noqa: D301  # \b is click's mark
    from actors.settings.example import example as example_text
    from actors.settings.schema import schema_text

    click.echo(example_text() if example else schema_text(), nl=False)

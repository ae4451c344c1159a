"""``recsys-nn config``: configs, resolved or as a schema."""

from __future__ import annotations

import typer

from recsys_nn.cli.shared import ConfigFile, Overrides

config_app = typer.Typer(help="Print configs and their schema.", no_args_is_help=True)


@config_app.command()
def show(config: ConfigFile, overrides: Overrides = None) -> None:
    """Print the resolved config of a run, defaults included."""
    from recsys_nn.config import load_config

    print(load_config(config, overrides=overrides or []).to_yaml(), end="")


@config_app.command()
def schema() -> None:
    """Print the JSON schema of the YAML files."""
    import json

    from recsys_nn.config import config_schema

    print(json.dumps(config_schema(), indent=2))

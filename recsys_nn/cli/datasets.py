"""``recsys-nn datasets``: the named data sets and their licences."""

from __future__ import annotations

from rich.padding import Padding

from recsys_nn.cli.shared import out


def datasets() -> None:
    """List the named data sets."""
    from recsys_nn.data import dataset_names, get_dataset

    for name in dataset_names():
        dataset = get_dataset(name)
        out.print(f"[bold]{name}[/bold]  {dataset.title}", highlight=False)
        out.print(Padding(dataset.licence, (0, 0, 1, 4)), highlight=False)

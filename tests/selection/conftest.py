"""What tests of searches share."""

from collections import defaultdict
from types import SimpleNamespace

import optuna
import pytest


class Memory(optuna.storages.InMemoryStorage):
    """A storage in place of a file, which stays when its connection is closed."""

    engine = SimpleNamespace(dispose=lambda: None)


@pytest.fixture
def storages(monkeypatch):
    """By URL, what studies are kept in instead of SQLite, whose writing takes a hundred times as long."""
    found = defaultdict(Memory)
    for module in ("study", "judge"):
        monkeypatch.setattr(f"recsys_nn.selection.search.{module}.opened_storage", found.__getitem__)
    return found

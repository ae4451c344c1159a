"""What stands in the files of a run folder: the keys of its documents, the columns of its tables."""

import io
import json

import pyarrow.parquet as pq
import pytest

from tests.faults.folders import saved


def keys(tree: object, place: str = "") -> list[str]:
    """The paths of nested values with their types; a list is of the type of its first."""
    if isinstance(tree, dict) and tree:
        return [key for name, below in tree.items() for key in keys(below, f"{place}/{name}")]
    if isinstance(tree, list) and tree:
        return keys(tree[0], f"{place}[]")
    return [f"{place}: {type(tree).__name__}"]


@pytest.mark.parametrize("name", ["svd", "fm", "svdpp", "average", "blend"])
def test_the_files_of_a_run(name, snapshot):
    found = {}
    for file, content in sorted(saved(name).items()):
        if file.endswith(".json"):
            found[file] = [key for key in keys(json.loads(content)) if not key.startswith("/files/")]
        elif file.endswith(".parquet"):
            found[file] = pq.read_schema(io.BytesIO(content)).names
        else:
            found[file] = None
    assert found == snapshot

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs the group docs")
nbclient = pytest.importorskip("nbclient", reason="needs the group docs")
jupyter_client = pytest.importorskip("jupyter_client", reason="needs the group docs")

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def kernel():
    """One for all notebooks, which imports the libraries once."""
    manager = jupyter_client.AsyncKernelManager(kernel_name="python3")
    yield manager
    jupyter_client.utils.run_sync(manager.shutdown_kernel)(now=True)


@pytest.mark.slow
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs_by_itself(file, kernel, tmp_path):
    notebook = nbformat.read(file, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "notebooks are kept without outputs"
    cleared = nbformat.v4.new_code_cell(f"%reset -f\n%cd -q {tmp_path}")
    notebook.cells.insert(0, cleared)
    nbclient.NotebookClient(notebook, timeout=120, km=kernel).execute()
    pictures = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert pictures, "a notebook shows at least one figure"

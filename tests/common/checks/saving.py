"""What run folders promise."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest

import recsys_nn as rn
from tests.common.subject import NEW, PAIRS, Subject, numbers, weights

ALL = pd.concat([PAIRS, NEW])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def neighbours(predictor: rn.Predictor) -> Any:
    """The items that are similar to one, or why there are none."""
    try:
        return predictor.similar_items(102).to_dict()
    except rn.DataError as error:
        return str(error)


def check_what_is_loaded_does_all_that_was_saved(subject: Subject) -> None:
    """Numbers, intervals, lists, neighbours, the past and the config are those of the predictor, bit for bit."""
    loaded, saved = subject.loaded, subject.predictor
    assert loaded.config == saved.config == subject.config
    for table in ("predict", "recommend", "seen_by"):
        arguments = {"predict": (ALL,), "recommend": ([0, 7],), "seen_by": (3,)}[table]
        found, expected = (getattr(each, table)(*arguments) for each in (loaded, saved))
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    for share in (0.5, 0.9):
        found, expected = (each.predict(ALL, interval=share) for each in (loaded, saved))
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert neighbours(loaded) == neighbours(saved)


def check_loading_twice_gives_two(subject: Subject) -> None:
    """Changing the weights of a predictor does not change another of the same folder."""
    one = rn.Predictor.load(subject.folder)
    one.model.set_weights([np.full_like(values, 1) for values in weights(one)])
    np.testing.assert_array_equal(numbers(subject.loaded, PAIRS), subject.predicted)


def check_use_leaves_the_folder_as_it_was(subject: Subject) -> None:
    """Loading, predicting, listing and judging write nothing into the folder."""
    subject.loaded.predict(ALL, interval=0.9)
    subject.loaded.recommend([0])
    rn.evaluate(subject.loaded, subject.ratings)
    with subject.saved() as unused:
        assert contents(subject.folder) == contents(unused)


def check_a_folder_holds_nothing_executable(subject: Subject) -> None:
    """All files are JSON, Parquet or safetensors, and begin as such; none is a pickle or a zip."""
    begins = {".json": b"{", ".parquet": b"PAR1", ".safetensors": None}
    for name, content in contents(subject.folder).items():
        start = begins[Path(name).suffix]
        assert content[8:9] == b"{" if start is None else content.startswith(start), name


def check_saving_again_writes_the_same(subject: Subject) -> None:
    """The folder of a loaded predictor is that of the saved one, byte for byte."""
    with TemporaryDirectory() as folder:
        again = subject.loaded.save(Path(folder) / "again")
        assert contents(again) == contents(subject.folder)


def check_saving_changes_nothing(subject: Subject) -> None:
    """After it was saved, a predictor predicts what it did."""
    with subject.saved():
        np.testing.assert_array_equal(numbers(subject.predictor, PAIRS), subject.predicted)


def check_a_folder_can_lie_anywhere(subject: Subject) -> None:
    """Folders with spaces and letters of any script can be written, moved and read."""
    np.testing.assert_array_equal(numbers(subject.loaded, PAIRS), subject.predicted)


def check_a_run_is_replaced_on_request_alone(subject: Subject) -> None:
    """A second save into the folder is refused and leaves it whole; overwriting replaces it."""
    with subject.saved() as folder:
        before = contents(folder)
        with pytest.raises(rn.ArtifactError, match="already holds a run"):
            subject.predictor.save(folder)
        assert contents(folder) == before
        rn.Predictor(subject.predictor.model, subject.encoder).save(folder, overwrite=True)
        assert set(before) - set(contents(folder)) == {"calibration.json", "seen.parquet"}


def check_a_damaged_folder_is_refused(subject: Subject) -> None:
    """A changed byte in any file is an ArtifactError that names it."""
    with subject.saved() as folder:
        for name, content in contents(folder).items():
            (folder / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            with pytest.raises(rn.ArtifactError, match=name):
                rn.Predictor.load(folder)
            (folder / name).write_bytes(content)
        assert contents(folder) == contents(subject.folder)

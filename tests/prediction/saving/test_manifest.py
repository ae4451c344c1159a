"""A folder against its manifest: what is told of each way in which they can differ."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from recsys_nn import ArtifactError
from recsys_nn.prediction.saving.manifest import (
    files_in,
    listed_files,
    read_listed,
    read_manifest,
    verified,
    write_manifest,
)

SIZES, SHAPES = {"users": 5, "items": 6}, {"factors": [6, 2]}


@pytest.fixture
def folder(tmp_path):
    """Of two files, one of them a folder below."""
    place = tmp_path / "run"
    (place / "members").mkdir(parents=True)
    (place / "model.json").write_text("{}")
    (place / "members" / "a.json").write_text("[1]")
    write_manifest(place, model_kind="svd", sizes=SIZES, shapes=SHAPES)
    return place


def changed(folder, **changes):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}))


def test_a_manifest_states_all_files_but_itself(folder):
    text = (folder / "manifest.json").read_text()
    manifest = json.loads(text)
    assert text == json.dumps(manifest, indent=2) + "\n"
    of_files = {"members/a.json": b"[1]", "model.json": b"{}"}
    assert manifest["files"] == {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in of_files.items()
    }
    assert list(manifest) == [
        *("format", "format_version", "model_kind", "sizes", "shapes", "files", "versions", "threads")
    ]
    assert list(manifest.values())[:5] == ["recsys_nn run", 1, "svd", SIZES, SHAPES]
    assert set(manifest["versions"]) == {"python", "recsys_nn", "tensorflow", "keras", "numpy", "pandas"}
    assert manifest["threads"]["cores"] == os.cpu_count()
    assert set(manifest["threads"]) == {"cores", "intra_op", "inter_op"}
    assert files_in(folder) == {"manifest.json", "members/a.json", "model.json"}
    assert listed_files(folder) == of_files.keys()


def test_what_is_whole_can_be_read(folder):
    sha256 = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    found = verified(folder, required=("model.json",), sha256=f" {sha256.upper()}\n")
    assert (found.path, found.read("model.json"), found.read("members/a.json")) == (folder, b"{}", b"[1]")
    assert ("model.json" in found, "other.json" in found) == (True, False)


def test_what_could_not_be_read_again_is_not_written(folder):
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(ArtifactError, match="manifest.json is damaged: sizes.users"):
        write_manifest(folder, model_kind="svd", sizes={"users": 0, "items": 6}, shapes={})
    assert (folder / "manifest.json").read_bytes() == before


def as_link(file):
    """To what then lies outside of the folder."""
    outside = file.parents[1] / "outside"
    file.rename(outside)
    file.symlink_to(outside, target_is_directory=outside.is_dir())


NOT_PLAIN = "is not a plain file"
CHANGES = {
    "a file is missing": ("model.json", Path.unlink, "is missing"),
    "one is cut": (
        "model.json",
        lambda file: file.write_text("{"),
        "has 1 bytes, but its manifest says 2: it was truncated or changed",
    ),
    "one is changed": (
        "model.json",
        lambda file: file.write_text("[]"),
        "has another SHA-256 than its manifest states: it was damaged or changed",
    ),
    "one is added": (
        "members/b.json",
        Path.touch,
        "is not part of the run, as manifest.json does not list it: remove it",
    ),
    "a folder is added": (
        "members/more",
        Path.mkdir,
        "is not part of the run, as manifest.json lists nothing in it: remove it",
    ),
    "a folder is a link": ("members", as_link, NOT_PLAIN),
    "a file is a link": ("model.json", as_link, NOT_PLAIN),
    "the manifest is a link": ("manifest.json", as_link, NOT_PLAIN),
    "it is too long": (
        "manifest.json",
        lambda file: file.write_text(" " * (2**20 + 2)),
        "is damaged: it must have at most 1,048,576 bytes, not 1,048,577",
    ),
    "it lists too little": (
        "manifest.json",
        lambda file: changed(file.parent, files={}),
        "is damaged: it does not list model.json, which every run has",
    ),
}


@pytest.mark.parametrize(("name", "change", "told"), CHANGES.values(), ids=CHANGES)
def test_what_has_changed_is_told(folder, name, change, told):
    change(folder / name)
    with pytest.raises(ArtifactError) as refused:
        verified(folder, required=("model.json",))
    assert str(refused.value) == f"{folder / name} {told}"


def test_a_manifest_of_a_later_version_is_told(folder):
    changed(folder, format_version=2)
    with pytest.raises(ArtifactError) as refused:
        read_manifest(folder)
    assert str(refused.value) == (
        f"{folder / 'manifest.json'}: the run has format 2, but this version of recsys-nn reads formats up to 1: "
        "upgrade recsys-nn"
    )


def test_a_file_is_checked_again_as_it_is_read(folder):
    found = verified(folder)
    for content, told in (("[1]", "has 3 bytes, but its manifest says 2"), ("[]", "has another SHA-256 than")):
        (folder / "model.json").write_text(content)
        with pytest.raises(ArtifactError) as refused:
            found.read("model.json")
        assert str(refused.value).startswith(f"{folder / 'model.json'} {told}")
    with pytest.raises(ArtifactError) as refused:
        read_listed(folder, "other.json", found.manifest)
    assert str(refused.value) == f"{folder / 'manifest.json'} does not list other.json"


def test_another_manifest_than_was_meant_is_refused(folder):
    sha256 = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    with pytest.raises(ArtifactError) as refused:
        read_manifest(folder, sha256="00")
    assert str(refused.value) == (
        f"{folder / 'manifest.json'} has the SHA-256 {sha256}, not 00: it was changed, or is another run"
    )


def test_what_is_no_run_folder_is_told(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    for name, told in (
        ("file", "is not a folder"),
        ("nothing", "does not exist"),
        ("empty", "is not a run folder: it has no manifest.json"),
    ):
        with pytest.raises(ArtifactError) as refused:
            read_manifest(tmp_path / name)
        assert str(refused.value) == f"{tmp_path / name} {told}"

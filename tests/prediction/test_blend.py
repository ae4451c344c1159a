import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import recsys_nn as rn
from recsys_nn import ArtifactError, DataError, Encoder, Predictor, build_model
from recsys_nn.prediction.predictor import BlendedPredictor
from recsys_nn.prediction.saving.folder import run_copier, write_blend_folder
from tests.models.contract import twenty_ratings

ENCODER = Encoder.fit(twenty_ratings())
PAIRS = [(0, 100), (1, 103), (4, 105), (77, 100), (77, 777)]


def predictor_of(config: rn.ModelConfig, seed: int = 1, encoder: Encoder = ENCODER) -> Predictor:
    return Predictor(build_model(config, encoder, seed=seed), encoder)


def values(predictor: Predictor, pairs=PAIRS) -> np.ndarray:
    return predictor.predict(pairs)["prediction"].to_numpy()


@pytest.fixture(scope="module")
def members() -> dict[str, Predictor]:
    """Two networks whose predictions differ by much, so that some are clipped."""
    return {
        "svd": predictor_of(rn.SVDConfig(embedding_dim=2, init_std=1.0)),
        "gmf": predictor_of(rn.GMFConfig(embedding_dim=2, init_std=1.0)),
    }


@pytest.fixture(scope="module")
def blend(members) -> BlendedPredictor:
    return BlendedPredictor(members, {"svd": 0.75, "gmf": 0.5})


@pytest.fixture(scope="module")
def saved(blend, tmp_path_factory) -> Path:
    return blend.save(tmp_path_factory.mktemp("saved") / "blend")


def test_deviations_from_the_mean_are_summed_by_weight(members, blend):
    mean = ENCODER.rating_mean
    expected = mean + 0.75 * (values(members["svd"]) - mean) + 0.5 * (values(members["gmf"]) - mean)
    np.testing.assert_allclose(values(blend), np.clip(expected, *ENCODER.scale), rtol=1e-6)
    large = BlendedPredictor(members, {"svd": 100.0, "gmf": 0.0})
    assert set(values(large, PAIRS[:3])) <= set(ENCODER.scale)


def test_a_blend_is_used_as_any_predictor(blend):
    predicted = blend.predict(PAIRS)
    assert list(predicted) == ["user", "item", "prediction", "source"]
    assert predicted["source"].tolist() == ["model", "model", "model", "item", "global"]
    assert not blend.has_probabilities
    assert rn.evaluate(blend, twenty_ratings()).n == 20
    with pytest.raises(
        DataError,
        match=(
            r"^this model predicts ratings without probabilities: train one with head='ordinal'"
            ", and load it from its run folder, as Keras's own loading loses them$"
        ),
    ):
        blend.predict_probabilities(PAIRS)


def test_members_may_see_other_features():
    ratings = rn.load_ratings("synthetic", n_users=30, n_items=20, n_ratings=300)
    plain = predictor_of(rn.SVDConfig(embedding_dim=2, init_std=1.0), encoder=Encoder.fit(ratings))
    features = {"user": ["age"], "item": ["year"], "rating": ["timestamp"]}
    described = predictor_of(
        rn.FMConfig(embedding_dim=2, init_std=1.0), encoder=Encoder.fit(ratings, features=features)
    )
    blend = BlendedPredictor({"plain": plain, "described": described}, {"plain": 0.5, "described": 0.5})
    np.testing.assert_allclose(
        values(blend, ratings), (values(plain, ratings) + values(described, ratings)) / 2, rtol=1e-5
    )
    evaluation = rn.evaluate(blend, ratings)
    assert evaluation.baselines == rn.evaluate(plain, ratings).baselines


def test_a_blend_of_blends(members, blend, tmp_path):
    outer = BlendedPredictor({"blend": blend, "svd": members["svd"]}, {"blend": 0.5, "svd": 0.5})
    np.testing.assert_allclose(values(outer), (values(blend) + values(members["svd"])) / 2, rtol=1e-6)
    again = Predictor.load(outer.save(tmp_path / "outer"))
    np.testing.assert_array_equal(values(again), values(outer))


def test_a_history_is_told_to_every_member():
    takes = {
        "a": predictor_of(rn.SVDPPConfig(embedding_dim=2, init_std=1.0)),
        "b": predictor_of(rn.AutoRecConfig(embedding_dim=2), seed=2),
    }
    history = pd.DataFrame({"user": [77, 77], "item": [100, 101], "rating": [1.0, 5.0]})
    blend = BlendedPredictor(takes, {"a": 0.5, "b": 0.5}).calibrated(twenty_ratings())
    told = blend.with_history(history)
    assert told.calibration == blend.calibration
    assert told.predict([(77, 103)])["source"].tolist() == ["model"]
    each = [values(member.with_history(history), [(77, 103)]) for member in takes.values()]
    np.testing.assert_allclose(values(told, [(77, 103)]), np.mean(each, axis=0), rtol=1e-6)


def test_a_history_that_one_member_does_not_take_is_refused(members):
    blend = BlendedPredictor({"sets": predictor_of(rn.SVDPPConfig()), **members}, {"sets": 1, "svd": 0, "gmf": 0})
    with pytest.raises(DataError, match="svd: this model takes no histories: use one of the kinds svdpp and autorec$"):
        blend.with_history(pd.DataFrame({"user": [77], "item": [100]}))


# The folder


def test_a_saved_blend_predicts_the_same_numbers(blend, saved):
    again = Predictor.load(saved)
    assert isinstance(again, BlendedPredictor)
    assert again.weights == {"svd": 0.75, "gmf": 0.5}
    np.testing.assert_array_equal(values(again), values(blend))


def test_the_manifest_states_every_file_of_the_members_too(saved):
    manifest = json.loads((saved / "manifest.json").read_text())
    assert manifest["model_kind"] == "blend"
    of_member = {"manifest.json", "model.json", "weights.safetensors", "encoder.json", "users.parquet", "items.parquet"}
    assert set(manifest["files"]) == {"blend.json"} | {
        f"{member}/{name}" for member in ("member_1", "member_2") for name in of_member
    }


def test_a_member_can_be_loaded_by_itself(members, saved):
    np.testing.assert_array_equal(values(Predictor.load(saved / "member_2")), values(members["gmf"]))


def test_run_folders_are_copied_with_what_they_record(members, blend, tmp_path):
    run = members["svd"].save(tmp_path / "svd")
    (run / "notes.txt").write_text("no part of the run")
    writers = {"svd": run_copier(run), "gmf": members["gmf"].save}
    folder = write_blend_folder(tmp_path / "blend", blend, writers, blend.weights, documents={"metrics.json": "{}"})
    copied = {file.name: file.read_bytes() for file in (folder / "member_1").iterdir()}
    assert copied == {file.name: file.read_bytes() for file in run.iterdir() if file.name != "notes.txt"}
    shutil.rmtree(run)
    np.testing.assert_array_equal(values(Predictor.load(folder)), values(blend))


@pytest.mark.parametrize("name", ["blend.json", "member_1/weights.safetensors", "member_2/manifest.json"])
def test_a_flipped_byte_is_found_in_every_file(run, name):
    content = bytearray((run / name).read_bytes())
    content[len(content) // 2] ^= 1
    (run / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=f"blend/{name} has another SHA-256 than its manifest states"):
        Predictor.load(run)


def test_a_link_in_place_of_a_member_is_refused(run, tmp_path):
    (run / "member_1").rename(tmp_path / "elsewhere")
    (run / "member_1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match=r"blend/member_1 is not a plain file"):
        Predictor.load(run)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "damaged: Input should be a mapping, not \\[]"),
        ('{"members": []}', "damaged: members: List should have at least 1 item"),
        ('{"members": [{"name": "svd", "weight": NaN}]}', "damaged: 'NaN' is not a finite number"),
        (
            '{"members": [{"name": "svd", "weight": 1}, {"name": "svd", "weight": 1}]}',
            "damaged: members: .*two members have the same name",
        ),
        ('{"members": [{"name": "svd"}]}', "damaged: members.0.weight: Field required"),
    ],
)
def test_what_names_no_members_is_refused(run, content, message):
    (run / "blend.json").write_text(content)
    restate(run)
    with pytest.raises(ArtifactError, match=f"blend.json is {message}"):
        Predictor.load(run)


def test_members_that_do_not_belong_together_are_refused(run, tmp_path):
    fewer = Encoder.fit(twenty_ratings().take(range(19)))
    shutil.rmtree(run / "member_2")
    predictor_of(rn.GMFConfig(), encoder=fewer).save(run / "member_2")
    restate(run)
    with pytest.raises(
        ArtifactError, match="its members do not belong together: gmf and svd were trained on different ratings"
    ):
        Predictor.load(run)


def test_a_file_in_a_members_folder_is_not_lost_with_the_blend(blend, run):
    (run / "member_1" / "notes.txt").write_text("years of work")
    with pytest.raises(
        ArtifactError, match="holds member_1/notes.txt, which is not part of its run and would be lost: move it away"
    ):
        blend.save(run, overwrite=True)
    (run / "member_1" / "notes.txt").unlink()
    blend.save(run, overwrite=True)


def test_a_member_that_cannot_be_saved_leaves_nothing(members, tmp_path):
    bare = Predictor(members["svd"].model, ENCODER)
    bare.config = None
    with pytest.raises(
        ArtifactError,
        match=(
            "^this model cannot be saved as a run folder, as loading could not rebuild it: make "
            r"it a kind of your own \(a ModelConfig and a builder with @rn.register_model\), "
            "build it with rn.build_model and train it; or save the network alone with "
            "model.save$"
        ),
    ):
        BlendedPredictor({"gmf": members["gmf"], "bare": bare}, {"gmf": 0.5, "bare": 0.5}).save(tmp_path / "blend")
    assert list(tmp_path.iterdir()) == []


def restate(folder: Path) -> None:
    """The manifest of the files as they are."""
    from recsys_nn.prediction.saving.manifest import write_manifest

    write_manifest(folder, model_kind="blend", sizes={"users": 5, "items": 6}, shapes={})


def test_sizes_that_are_not_those_of_the_members_are_refused(run):
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"sizes": {"users": 9, "items": 9}}))
    with pytest.raises(ArtifactError, match=r"its members do not have the sizes that manifest\.json states"):
        Predictor.load(run)

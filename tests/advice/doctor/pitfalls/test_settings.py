import pytest

from recsys_nn import BiasConfig, SVDConfig, SVDPPConfig
from recsys_nn.advice.doctor.pitfalls import settings
from tests.advice.cases import FALLING, evidence, part, trained


def found(pitfall, case_):
    return list(pitfall(case_))


def test_no_validation():
    (finding,) = found(settings.no_validation, evidence(trained(val_loss=None, stop_reason="epochs")))
    assert finding.code == "no-validation"
    assert "No examples are held out from 10,000, and training takes 100 epochs." in finding.evidence
    assert finding.settings["data.split.validation"] == 0.1


def test_a_validation_part_or_nothing_to_iterate_is_sound():
    assert not found(settings.no_validation, evidence())
    assert not found(settings.no_validation, evidence(training=None, n_validation=0, model=BiasConfig()))


@pytest.mark.parametrize(
    ("batch_size", "told"),
    [(1, "training.batch_size is 1, which makes 10,000 steps per epoch"), (10_000, "10,000 for 10,000 examples")],
)
def test_extreme_batch_sizes(batch_size, told):
    (finding,) = found(settings.extreme_batch_size, evidence(trained(batch_size=batch_size)))
    assert finding.code == "extreme-batch-size"
    assert told in finding.evidence
    assert finding.settings == {"training.batch_size": 128}  # the power of two nearest to 10,000 / 64


@pytest.mark.parametrize(
    "sound",
    [
        evidence(trained(batch_size=9_999)),
        evidence(trained(batch_size=2)),
        evidence(trained(batch_size=256, n_train=200)),
        evidence(trained(batch_size=10_000), model=SVDPPConfig()),  # each step sums the sets of all
        evidence(trained(batch_size=10_000), averaged=True),
    ],
    ids=["nearly all", "two", "a small table", "sets", "samples of the posterior"],
)
def test_other_batch_sizes_are_sound(sound):
    assert not found(settings.extreme_batch_size, sound)


def test_an_embedding_larger_than_its_data_can_carry():
    # 64 dimensions of 150 ids are 9,600 numbers: 9.6 for each of 1,000 ratings, .96 of 10,000.
    few = {"merged": 0, "parts": {"train": part(900)}}
    (finding,) = found(settings.embedding_too_large, evidence(model=SVDConfig(embedding_dim=64), data=few))
    assert "9,600 numbers, 10.7 for each of the 900 ratings" in finding.evidence
    assert finding.settings == {"model.embedding_dim": 8}  # the power of two nearest to 2 * 100 ** (1/4)
    assert not found(settings.embedding_too_large, evidence(model=SVDConfig(embedding_dim=64)))


def test_without_a_penalty_fewer_numbers_are_too_many():
    third = {"merged": 0, "parts": {"train": part(3_000)}}  # 3.2 numbers for each rating
    free, held = (SVDConfig(embedding_dim=64, l2=l2) for l2 in (0, None))
    assert found(settings.embedding_too_large, evidence(model=free, data=third))
    assert not found(settings.embedding_too_large, evidence(model=held, data=third))


def test_patience_as_long_as_the_training_never_fires():
    run = trained(FALLING[:5], FALLING[:5], stop_reason="epochs", epochs=5, patience=5)
    (finding,) = found(settings.patience_never_fires, evidence(run))
    assert finding.evidence == "training.patience is 5, and training.epochs is 5."
    assert not found(settings.patience_never_fires, evidence(trained(epochs=50, patience=5)))


def test_patience_that_watches_the_training_loss_never_fires():
    overfitting = (*FALLING[:6], 1.2, 1.3, 1.4, 1.5, 1.6, 1.7)
    run = trained(val_loss=overfitting, stop_reason="epochs", epochs=12, patience=3, monitor="loss")
    (finding,) = found(settings.patience_never_fires, evidence(run))
    assert finding.evidence == (
        "val_loss was the lowest in epoch 6, and 6 more epochs followed, although patience is 3."
    )
    assert finding.settings == {"training.monitor": "val_loss"}
    sound = trained(val_loss=FALLING, stop_reason="epochs", epochs=12, monitor="loss")
    assert not found(settings.patience_never_fires, evidence(sound))

"""Dropout by an integer hash: how many are left out, and which."""

import keras
import numpy as np
import pytest

from recsys_nn.models.layers.dropout import Dropout

ONES = np.ones((100, 50), np.float32)


def test_so_many_are_left_out_and_the_rest_makes_up_for_them():
    dropped = Dropout(0.3, seed=1)(ONES, training=True).numpy()
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(1 / 0.7)}
    assert (dropped == 0).mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / 5000))


def test_masks_differ_from_call_to_call_from_seed_to_seed_and_from_element_to_element():
    first, other = Dropout(0.5, seed=1), Dropout(0.5, seed=2)
    masks = [layer(ONES, training=True).numpy().ravel() for layer in (first, first, other)]
    assert np.abs(np.corrcoef(masks)[np.triu_indices(3, 1)]).max() < 4 / np.sqrt(5000)
    columns = Dropout(0.5, seed=1)(ONES, training=True).numpy()
    np.testing.assert_array_equal(columns.ravel(), masks[0])
    assert np.abs(np.corrcoef(columns.T)[np.triu_indices(50, 1)]).max() < 5 / np.sqrt(100)


def mixed(bits: int) -> int:
    """lowbias32, as Wellons has it."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        bits = (bits ^ bits >> shift) * factor % 2**32
    return bits ^ bits >> 16


def test_a_mask_is_the_hash_of_seed_call_and_position():
    layer = Dropout(0.4, seed=9)
    for call in range(2):
        seed, calls = (int(value) for value in layer.seed_generator.state.numpy())
        assert (seed, calls) == (9, call)
        hashes = [mixed((mixed((k + mixed(seed)) % 2**32) + mixed(calls)) % 2**32) for k in range(12)]
        found = layer(np.ones((3, 4), np.float32), training=True).numpy().ravel()
        assert (found > 0).tolist() == [value >= round(0.4 * 2**32) for value in hashes]


@pytest.mark.parametrize(("rate", "training"), [(0.5, False), (0.5, None), (0.0, True)])
def test_nothing_is_left_out_when_predicting_or_at_a_rate_of_nothing(rate, training):
    np.testing.assert_array_equal(Dropout(rate)(ONES, training=training), ONES)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 7])
def test_a_rate_that_is_no_share_is_refused(rate):
    message = f"^rate must be at least 0 and less than 1, not {rate!r}$"
    with pytest.raises(ValueError, match=message):
        Dropout(rate)


def test_it_is_made_again_from_its_config():
    layer = Dropout(0.25, seed=3, name="out")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (type(again), again.rate, again.seed, again.name) == (Dropout, 0.25, 3, "out")

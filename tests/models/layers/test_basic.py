"""The layers that kinds share, by hand: tables, their penalties, offsets, scales, and biases in closed form."""

import keras
import numpy as np
import pytest

from recsys_nn.models.layers.basic import BoundedScale, ClosedFormBiases, FactorEmbedding, Offset, RatingScale

COUNTS = np.array([0, 1, 0, 3])
"""Of a table of four rows, the unknown's included: four ratings in all."""


def table(**options) -> FactorEmbedding:
    layer = FactorEmbedding(4, 2, **options)
    layer.build()
    return layer


def test_vectors_start_apart_and_those_without_a_rating_at_zero():
    layer = table(init_std=0.5)
    start = layer.embeddings.numpy()
    assert np.any(start, axis=1).tolist() == [False, True, True, True]
    layer.set_counts(COUNTS)
    np.testing.assert_array_equal(layer.embeddings, start * [[0], [1], [0], [1]])
    np.testing.assert_array_equal(layer.row_weight, [0, 4, 0, np.float32(4 / 3)])
    assert not layer.row_weight.trainable


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_each_row_of_a_batch_is_penalised_by_how_seldom_it_is_rated_and_in_training_alone(shape):
    """λ times the mean of n / n_r ‖v_r‖²: row 1 twice, 4 · 5, and row 3 once, 4/3 · 25."""
    layer = table(l2=0.3)
    layer.set_counts(COUNTS)
    layer.embeddings.assign([[0, 0], [1, 2], [0, 0], [3, 4]])
    rows = np.array([1, 3, 1]).reshape(shape)
    assert layer(rows, training=True).shape == (*shape, 2)
    assert [float(loss) for loss in layer.losses] == [pytest.approx(0.3 * (2 * 4 * 5 + 4 / 3 * 25) / 3)]
    layer(rows, training=False)
    assert layer.losses == []
    without = table()
    without(rows, training=True)
    assert without.losses == []


def test_an_offset_is_added():
    layer = Offset()
    x = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    np.testing.assert_array_equal(layer(x), x)
    layer.offset.assign([10, 20])
    np.testing.assert_array_equal(layer(x), [[11, 22], [13, 24]])


def test_ratings_are_kept_in_their_range_when_predicting_and_not_in_training():
    layer, z = RatingScale(3.0, 2.0, (1, 5)), np.array([[-2.0], [0.5], [2.0]], np.float32)
    np.testing.assert_array_equal(layer(z), [1, 4, 5])
    np.testing.assert_array_equal(layer(z, training=True), [-1, 4, 7])
    assert layer.compute_output_shape((7, 1)) == (7,)


def biases(baseline="bias", **options) -> ClosedFormBiases:
    layer = ClosedFormBiases(3, 4, baseline=baseline, **options)
    layer.build()
    layer.mean.assign(3.0)
    layer.item_bias.assign([0, 1, -1, 0.5])
    return layer


@pytest.mark.parametrize(("shrinkage", "expected"), [({}, 1.5 / (15 + 2)), ({"user_shrinkage": 1.0}, 1.5 / (1 + 2))])
def test_a_new_user_s_bias_is_what_the_items_leave_shrunken(shrinkage, expected):
    """Ratings of 5 and 2.5 of items that are worth 4 and 2 leave 1 and 0.5."""
    layer = biases(**shrinkage)
    layer.fold_in("user", {"user": np.array([2, 2]), "item": np.array([1, 2])}, np.array([5, 2.5]))
    np.testing.assert_allclose(layer.user_bias, [0, 0, expected], rtol=1e-6)
    np.testing.assert_array_equal(layer.item_bias, [0, 1, -1, 0.5])


def test_a_new_item_s_bias_is_what_the_users_leave_and_nothing_where_it_has_none():
    for baseline, expected in (("bias", [0, 0, 0, 0.5 + 2 / 11]), ("user", [0, 0, 0, 0.5])):
        layer = biases(baseline)
        layer.user_bias.assign([0, 0, -1.5])
        layer.item_bias.assign([0, 0, 0, 0.5])
        layer.fold_in("item", {"user": np.array([2]), "item": np.array([3])}, np.array([4.0]))
        np.testing.assert_allclose(layer.item_bias, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        FactorEmbedding(4, 2, l2=0.1, init_std=0.2),
        RatingScale(3.0, 2.0, (1, 5)),
        BoundedScale(3.5, 1.0, (1, 5)),
        ClosedFormBiases(3, 4, baseline="item", user_shrinkage=2.0, item_shrinkage=3.0),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_is_made_again_from_its_config(layer):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()

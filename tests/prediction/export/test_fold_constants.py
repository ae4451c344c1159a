import numpy as np
import pytest
import tensorflow as tf

from recsys_nn import Encoder, Predictor, SVDPPConfig, build_model
from recsys_nn.models.layers.averaged import AveragedModel
from recsys_nn.prediction.export.fold_constants import Folded
from recsys_nn.prediction.export.rating_graph import rating_graph
from tests.models.layers.test_features import FEATURES, with_features

NUMBERS = tf.TensorSpec((None,), tf.float32, name="x")


def operations(folded: Folded, *signature: tf.TensorSpec) -> set[str]:
    graph = tf.function(folded).get_concrete_function(*signature).graph
    return {operation.type for operation in graph.get_operations()}


def test_what_does_not_depend_on_the_input_is_worked_out():
    table = tf.Variable(tf.range(100.0))
    folded = Folded(lambda x: x * tf.reduce_sum(tf.sqrt(table)) + tf.cumsum(table)[:1], [NUMBERS])
    assert operations(folded, NUMBERS).isdisjoint({"Sqrt", "Sum", "Cumsum", "StridedSlice", "ReadVariableOp"})
    assert sorted(np.shape(value) for value in folded.constants) == [(), (1,)]
    found = tf.function(folded)(tf.constant([1.0, -2.0]))
    np.testing.assert_allclose(found, np.array([1, -2]) * np.sqrt(np.arange(100)).sum(), rtol=1e-6)


def test_it_no_longer_follows_the_variables_that_went_into_constants():
    factor = tf.Variable(3.0)
    folded = Folded(lambda x: x * (factor + 1), [NUMBERS])
    factor.assign(10.0)
    np.testing.assert_array_equal(tf.function(folded)(tf.constant([1.0])), [4.0])


def test_large_constants_are_variables_that_are_saved_beside_the_graph(tmp_path):
    table = tf.Variable(tf.range(1000.0))
    rows = tf.TensorSpec((None,), tf.int32)
    module = tf.Module()
    module.folded = Folded(lambda rows: tf.gather(table * 2, rows), [rows])
    (doubled,) = module.folded.constants
    np.testing.assert_array_equal(doubled, np.arange(1000) * 2)
    assert module.folded.variables_read == []
    assert module.variables == (doubled,)


def test_a_variable_that_is_read_by_rows_stays_one():
    table, other = tf.Variable(tf.range(1000.0)), tf.Variable(5.0)
    rows = tf.TensorSpec((None,), tf.int32)
    folded = Folded(lambda rows: tf.gather(table, rows) + other, [rows])
    assert [variable is table for variable in folded.variables_read] == [True]
    np.testing.assert_array_equal(tf.function(folded)(tf.constant([7, 0])), [12.0, 5.0])


def test_an_input_that_passes_through_and_one_that_is_not_read():
    folded = Folded(lambda x, y: tf.identity(x), [NUMBERS, NUMBERS])
    np.testing.assert_array_equal(tf.function(folded)(tf.constant([1.0]), tf.constant([2.0])), [1.0])


@pytest.mark.parametrize("n_members", [0, 3])
def test_nothing_of_all_ratings_is_left_in_the_graph_of_a_prediction(n_members):
    """Neither the sums over who rated what, nor loops over members, nor choices by the size of the batch."""
    encoder = Encoder.fit(with_features(), features=FEATURES)
    model = build_model(SVDPPConfig(embedding_dim=2), encoder)
    if n_members:
        weights = [variable.numpy() for variable in model.trainable_variables]
        model = AveragedModel.of(model, [weights] * n_members)
    graph = rating_graph(Predictor(model, encoder))
    left = operations(graph.ratings, *graph.signature)
    assert left.isdisjoint({"UnsortedSegmentSum", "If", "StatelessIf", "While", "StatelessWhile"})

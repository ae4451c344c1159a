from pathlib import Path

import pandas as pd
import pytest

from recsys_nn.data.datasets import get_dataset
from recsys_nn.data.ratings import Ratings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the data sets are looked for first."""
    monkeypatch.setenv("RECSYS_NN_DATA", str(tmp_path))
    return tmp_path


def first_row(table: pd.DataFrame | None) -> dict[str, object]:
    assert table is not None
    return dict(zip(table.columns, table.iloc[0], strict=True))


def written(folder: Path, files: dict[str, str], encoding: str = "latin-1") -> None:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding=encoding)


def test_100k_in_small(folder: Path) -> None:
    flags_of_comedy_and_drama = "0|0|1|0|1"
    written(
        folder / "ml-100k",
        {
            "u.data": "196\t242\t3\t881250949\n007\t242\t5\t0\n",
            "u1.base": "196\t242\t3\t881250949\n",
            "u.user": "196|49|M|writer|55105\n007|53|F|other|T8H1N\n",
            "u.genre": "unknown|0\nAction|1\nComedy|2\nCrime|3\nDrama|4\n\n",
            "u.item": f'242|"Kolya" é (1996)|24-Jan-1997||http://x|{flags_of_comedy_and_drama}\n'
            "267|unknown||||1|0|0|0|0\n",
        },
    )
    ratings = get_dataset("movielens-100k").load()
    assert ratings.scale == (1, 5)
    assert ratings.frame.to_dict("list") == {
        "user": ["196", "007"],
        "item": ["242", "242"],
        "rating": [3.0, 5.0],
        "timestamp": [pd.Timestamp("1997-12-04 15:55:49"), pd.Timestamp("1970-01-01")],
    }
    assert first_row(ratings.user_features) == {
        "user": "196", "age": 49, "gender": "M", "occupation": "writer", "zip_code": "55105"
    }  # fmt: skip
    items = ratings.item_features
    assert first_row(items) == {
        "item": "242",
        "title": '"Kolya" é (1996)',
        "release_date": pd.Timestamp("1997-01-24"),
        "video_release_date": "",
        "imdb_url": "http://x",
        "genres": "Comedy|Drama",
    }
    assert items is not None
    assert pd.isna(items["release_date"][1])
    assert items["genres"][1] == "unknown"
    assert len(get_dataset("movielens-100k").read("u1.base")) == 1


def test_1m_in_small(folder: Path) -> None:
    written(
        folder / "ml-1m",
        {
            "ratings.dat": "1::1193::5::978300760\n1::661::3::978302109\n",
            "users.dat": "1::F::1::10::48067\n",
            "movies.dat": "1193::Misérables, Les: Part 2 (1995)::Drama|Musical\n661::James::Animation\n",
        },
    )
    ratings = get_dataset("movielens-1m").load()
    assert ratings.scale == (1, 5)
    assert ratings.frame["item"].tolist() == ["1193", "661"]
    assert ratings.frame["timestamp"][0] == pd.Timestamp("2000-12-31 22:12:40")
    assert first_row(ratings.user_features) == {
        "user": "1", "gender": "F", "age": 1, "occupation": "10", "zip_code": "48067"
    }  # fmt: skip
    assert first_row(ratings.item_features) == {
        "item": "1193", "title": "Misérables, Les: Part 2 (1995)", "genres": "Drama|Musical"
    }  # fmt: skip


def test_latest_small_in_small(folder: Path) -> None:
    written(
        folder / "ml-latest-small",
        {
            "ratings.csv": "userId,movieId,rating,timestamp\n1,11,0.5,964982703\n",
            "movies.csv": 'movieId,title,genres\n11,"American President, The é (1995)",Comedy|Romance\n',
        },
        encoding="utf-8",
    )
    ratings = get_dataset("movielens-latest-small").load()
    assert ratings.scale == (0.5, 5)
    assert ratings.frame["rating"].tolist() == [0.5]
    assert ratings.user_features is None
    assert first_row(ratings.item_features) == {
        "item": "11", "title": "American President, The é (1995)", "genres": "Comedy|Romance"
    }  # fmt: skip


def test_features_survive_parquet(folder: Path, tmp_path: Path) -> None:
    test_1m_in_small(folder)
    items = get_dataset("movielens-1m").load().item_features
    assert items is not None
    items.to_parquet(tmp_path / "items.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "items.parquet"), items)
    assert list(items["genres"].str.get_dummies("|")) == ["Animation", "Drama", "Musical"]


class TestRealFiles:
    """The counts that the READMEs of the data sets give."""

    @pytest.fixture(autouse=True)
    def found(self, real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RECSYS_NN_DATA", str(real_data))

    def sizes(self, ratings: Ratings) -> tuple[int, int, int]:
        return len(ratings), ratings.n_users, ratings.n_items

    def test_100k(self) -> None:
        ratings = get_dataset("movielens-100k").load()
        assert self.sizes(ratings) == (100_000, 943, 1682)
        users, items = ratings.user_features, ratings.item_features
        assert users is not None
        assert items is not None
        assert (len(users), users["occupation"].nunique()) == (943, 21)
        assert items["genres"].str.get_dummies("|").shape == (1682, 19)
        assert items["title"][0] == "Toy Story (1995)"

    def test_100k_official_split(self) -> None:
        dataset = get_dataset("movielens-100k")
        train, test = dataset.read("u1.base"), dataset.read("u1.test")
        assert (len(train), len(test)) == (80_000, 20_000)
        assert not set(zip(train.frame["user"], train.frame["item"], strict=True)) & set(
            zip(test.frame["user"], test.frame["item"], strict=True)
        )

    def test_latest_small(self) -> None:
        ratings = get_dataset("movielens-latest-small").load()
        assert self.sizes(ratings) == (100_836, 610, 9724)
        assert ratings.item_features is not None
        assert len(ratings.item_features) == 9742

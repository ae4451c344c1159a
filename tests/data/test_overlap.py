import pandas as pd
import pytest

from recsys_nn import Ratings, leave_last_out_split, load_ratings, random_split, stream_ratings, temporal_split
from recsys_nn.data import stream as stream_module
from recsys_nn.data.overlap import Order, shared_pairs


def rated(*rows: tuple) -> Ratings:
    """(user, item, day)."""
    users, items, days = zip(*rows, strict=True)
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D")
    return Ratings(pd.DataFrame({"user": users, "item": items, "rating": 3.0, "timestamp": times}), scale=(1, 5))


def test_pairs_that_both_parts_have_are_counted():
    train = rated(("ann", "a", 1), ("ann", "b", 2), ("bob", "a", 3))
    assert shared_pairs(rated(("ann", "a", 9), ("bob", "b", 9), ("cat", "a", 9)), train) == 1
    assert shared_pairs(train.take([]), train) == 0


def test_pairs_in_any_chunk_of_a_stream_are_counted_once(tmp_path, monkeypatch):
    monkeypatch.setattr(stream_module, "CHUNK_ROWS", 2)
    pairs = {"user": [1, 2, 3, 2, 3], "item": ["a", "a", "b", "b", "b"], "rating": 3.0}
    pd.DataFrame(pairs).to_parquet(tmp_path / "train.parquet")
    train = stream_ratings(tmp_path / "train.parquet", scale=(1, 5))
    held_out = pd.DataFrame({"user": [3, 3, 1, 1, 9], "item": ["b", "a", "a", "b", "z"], "rating": 4.0})
    assert shared_pairs(Ratings(held_out), train) == 2  # 3 b, which the stream has twice, and 1 a
    ids_of_another_type = Ratings(held_out.astype({"user": str}))
    assert shared_pairs(ids_of_another_type, train) == 0


def test_the_order_by_hand():
    train = rated(("ann", "a", 1), ("ann", "b", 5), ("bob", "a", 8), ("cat", "a", 1), ("dan", "a", 4))
    held_out = rated(("ann", "c", 5), ("bob", "b", 3), ("cat", "c", 1), ("eve", "a", 2))
    # The earliest held out is day 1, the latest day 5. Of the users in both, ann's are in order (1, 5 | 5), bob's
    # reversed (8 | 3), and cat's all of one time, which says nothing.
    assert Order.of(held_out, train) == Order(
        after=3 / 5, after_all=1 / 5, users=2, users_in_order=1 / 2, users_reversed=1 / 2
    )


@pytest.fixture(scope="module")
def dated() -> Ratings:
    return load_ratings("synthetic", n_users=100, n_items=50, n_ratings=2000)


def test_a_split_by_time_is_in_order_and_one_at_random_is_not(dated):
    by_time, of_users = temporal_split(dated), leave_last_out_split(dated)
    assert Order.of(by_time.test, by_time.train).after == 0
    assert Order.of(of_users.test, of_users.train).users_in_order == 1
    at_random = random_split(dated)
    order = Order.of(at_random.test, at_random.train)
    assert order.after == pytest.approx(0.95, abs=0.03)
    assert order.after_all == pytest.approx(0.05, abs=0.03)
    assert order.users_in_order < 0.5


def test_without_times_there_is_no_order(dated):
    timeless = Ratings(dated.frame.drop(columns="timestamp"), scale=dated.scale)
    assert Order.of(timeless, timeless) is None
    assert Order.of(dated.take([]), dated) is None


def test_where_no_user_is_in_both_parts_none_is_in_order():
    held_out, train = rated(("ann", "a", 3)), rated(("bob", "a", 1), ("bob", "b", 4))
    assert Order.of(held_out, train) == Order(after=0.5, after_all=0.5, users=0, users_in_order=0, users_reversed=0)

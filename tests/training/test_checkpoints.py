import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from recsys_nn import ArtifactError
from recsys_nn.training.checkpoints import Checkpoints, is_plain

PLAIN = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**60), 2**60),
        st.floats(allow_nan=False),
        st.text(max_size=8),
        arrays_of.arrays(
            st.sampled_from([np.float32, np.int32, np.uint32, np.bool_]),
            arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
        ),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=12,
)


def same(one, other) -> bool:
    if isinstance(one, np.ndarray):
        return (
            one.dtype == other.dtype
            and one.shape == other.shape
            and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
        )
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(max_size=6), PLAIN, max_size=4))
def test_a_state_comes_back_as_it_was(tmp_path_factory, state):
    assert is_plain(state)
    checkpoints = Checkpoints(tmp_path_factory.mktemp("states"))
    checkpoints.save(3, state)
    epoch, found = checkpoints.latest()
    assert epoch == 3
    assert same(state, found)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1: 2},
        [object()],
        np.array(["a"]),
        {"a": {2}},
        {"a": 1, "b": object()},
        np.array([1j]),
        np.array([{}]),
    ],
)
def test_what_is_no_part_of_a_state(value):
    assert not is_plain(value)


@pytest.mark.parametrize("value", [np.float32(0.5), np.int64(3), np.bool_(True)])
def test_numpy_s_numbers_come_back_as_python_s(tmp_path, value):
    assert is_plain(value)
    Checkpoints(tmp_path).keep("numbers", {"value": value, "pair": (value, 1)})
    found = Checkpoints(tmp_path).kept("numbers")
    assert found == {"value": value.item(), "pair": [value.item(), 1]}
    assert type(found["value"]) is type(value.item())


def test_the_last_two_are_kept_and_what_was_kept_by_name(tmp_path):
    checkpoints = Checkpoints(tmp_path / "states")
    assert checkpoints.latest() is None
    checkpoints.keep("sample", {"weights": [np.ones(2)]})
    for epoch in (1, 2, 9, 10):
        checkpoints.save(epoch, {"epoch": epoch})
    assert checkpoints.epochs == [9, 10]
    assert checkpoints.latest() == (10, {"epoch": 10})
    np.testing.assert_array_equal(checkpoints.kept("sample")["weights"][0], [1, 1])


def saved(folder, epochs) -> Checkpoints:
    checkpoints = Checkpoints(folder)
    for epoch in epochs:
        checkpoints.save(epoch, {"values": np.arange(100, dtype=np.float32) + epoch})
    return checkpoints


def damage(file) -> None:
    content = bytearray(file.read_bytes())
    content[-7] ^= 1
    file.write_bytes(content)


def test_a_damaged_state_is_told_of_and_the_one_before_is_taken(tmp_path):
    checkpoints = saved(tmp_path, (4, 5))
    damage(tmp_path / "epoch-000005.safetensors")
    with pytest.warns(
        UserWarning,
        match=(
            r"epoch-000005\.safetensors is damaged: its SHA-256 differs from the one that it states; the training "
            "resumes after epoch 4"
        ),
    ):
        epoch, state = checkpoints.latest()
    assert (epoch, state["values"][0]) == (4, 4)


def test_damage_to_all_states_is_an_error(tmp_path):
    checkpoints = saved(tmp_path, (4, 5))
    for file in tmp_path.iterdir():
        damage(file)
    with pytest.raises(
        ArtifactError, match=r"epoch-000004\.safetensors is damaged: its SHA-256 differs from the one that it states"
    ):
        checkpoints.latest()


def test_every_truncated_state_is_recognised(tmp_path):
    checkpoints = saved(tmp_path, [1])
    file = tmp_path / "epoch-000001.safetensors"
    content = file.read_bytes()
    for length in range(0, len(content), 7):
        file.write_bytes(content[:length])
        with pytest.raises(ArtifactError, match="is damaged"):
            checkpoints.latest()


def test_a_refusing_disk_is_an_error_and_the_states_before_stay(tmp_path):
    folder = tmp_path / "states"
    checkpoints = saved(folder, (1, 2))
    (folder / "epoch-000003.safetensors").mkdir()
    with pytest.raises(ArtifactError, match="epoch-000003.safetensors cannot be written: Is a directory"):
        checkpoints.save(3, {})
    (folder / "epoch-000003.safetensors").rmdir()
    assert checkpoints.latest()[0] == 2

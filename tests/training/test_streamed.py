"""Training on more than memory holds: the same steps as on the same rows in memory, whatever the engine."""

import numpy as np
import pandas as pd
import pytest

from recsys_nn import (
    BiasConfig,
    DataError,
    Encoder,
    Ratings,
    StreamedTensors,
    SVDConfig,
    TrainConfig,
    Trainer,
    build_model,
    stream_ratings,
)
from recsys_nn.tensors import row_file

N, BATCH = 60, 8


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    pairs = rng.permutation(12 * 9)[:N]
    return pd.DataFrame({"user": pairs // 9, "item": pairs % 9, "rating": rng.integers(1, 6, N)})


@pytest.fixture
def streamed(frame, tmp_path, monkeypatch):
    """The encoder of the rows of a Parquet file, and them on disk in chunks of 10, two or three of them a block."""
    monkeypatch.setattr(row_file, "CHUNK_ROWS", 10)
    frame.to_parquet(tmp_path / "ratings.parquet")
    stream = stream_ratings(tmp_path / "ratings.parquet", scale=(1, 5))
    encoder = Encoder.fit(stream)
    encoder.encode_stream(stream, cache=tmp_path / "rows")
    return encoder, StreamedTensors(tmp_path / "rows", block_rows=25)


def trained(encoder, train, held_out=None, **settings):
    given = {"epochs": 3, "patience": None, "validation": 0, "batch_size": BATCH, "learning_rate": 0.02}
    quick = {"optimizer": "sgd", "metrics": ()}  # to trace
    trainer = Trainer(TrainConfig(seed=5, **(quick | given | settings)), progress=False)
    return trainer.fit(build_model(SVDConfig(embedding_dim=3), encoder, seed=1), train, held_out)


@pytest.mark.slow
def test_in_the_order_of_the_table_it_is_training_in_memory(streamed, frame):
    encoder, part = streamed
    assert [len(block.order) for block in part.blocks(batch_size=BATCH)] == [24, 24, 12]
    resident = Encoder.fit(Ratings(frame, scale=(1, 5))).encode(frame)
    runs = [trained(encoder, train, part, shuffle=False) for train in (part, resident)]
    for streaming, in_memory in zip(*(run.model.get_weights() for run in runs), strict=True):
        np.testing.assert_allclose(streaming, in_memory, rtol=1e-5, atol=1e-6)
    histories = [run.history.drop(columns="seconds") for run in runs]
    np.testing.assert_allclose(*histories, rtol=1e-5)


@pytest.mark.slow
def test_all_engines_visit_the_shuffled_blocks_alike(streamed):
    encoder, part = streamed
    runs = [trained(encoder, part, engine=engine) for engine in ("keras", "auto", "compiled")]
    assert [run.engine for run in runs] == ["keras", "compiled", "compiled with XLA"]
    for run in runs[1:]:
        for ours, keras_s in zip(run.model.get_weights(), runs[0].model.get_weights(), strict=True):
            np.testing.assert_allclose(ours, keras_s, rtol=1e-4, atol=1e-5)


def test_the_trainer_holds_a_validation_part_out(streamed):
    """A quarter of the 60 rows: what is left makes 6 steps of 8."""
    encoder, part = streamed
    run = trained(encoder, part, validation=0.25)
    assert run.model.optimizer.iterations == 3 * 6
    assert run.history["val_loss"].notna().all()


def test_what_is_solved_in_closed_form_needs_the_rows_in_memory(streamed):
    encoder, part = streamed
    with pytest.raises(DataError, match="the layer 'biases' needs Tensors in memory, not a stream$"):
        Trainer(TrainConfig(validation=0), progress=False).fit(build_model(BiasConfig(), encoder), part)

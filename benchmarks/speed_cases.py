"""One measurement of benchmarks/speed.py, in a process of its own: prints what it found as a line of JSON.

python benchmarks/speed_cases.py epochs '{"system": "compiled", "kind": "svd", "optimizer": "adam", "batch": 256}'
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

DIM = 32
RATE = 0.003
U1_USERS, U1_ITEMS = 943, 1682


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def u1_base() -> Any:
    """The training file of MovieLens 100K's first split: 80,000 ratings as a DataFrame."""
    import pandas as pd

    file = Path(os.environ["RECSYS_NN_DATA"], "ml-100k", "u1.base")
    return pd.read_csv(file, sep="\t", header=None, names=["user", "item", "rating", "timestamp"])


def uniform(n_ratings: int, n_users: int, n_items: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Encoded ratings of users and items drawn uniformly: the worst case for the caches."""
    from recsys_nn.tensors.aligned import aligned

    rng = np.random.default_rng(seed)
    return {
        "user": aligned(rng.integers(1, n_users + 1, n_ratings, dtype=np.int32), np.int32),
        "item": aligned(rng.integers(1, n_items + 1, n_ratings, dtype=np.int32), np.int32),
        "rating": aligned(rng.integers(1, 6, n_ratings, dtype=np.int8), np.float32),
    }


def encoder_of(n_users: int, n_items: int, n_ratings: int) -> Any:
    """What ``Encoder.fit`` would have learnt from so many ratings of integer ids, without the ratings."""
    import pandas as pd

    import recsys_nn as rn
    from recsys_nn.encoding.vocabulary import Vocabulary

    def side(name: str, n: int) -> tuple[Any, np.ndarray]:
        counts = np.full(n + 1, max(1, n_ratings // n), dtype=np.int32)
        counts[0] = 0
        return Vocabulary(name, pd.Series(np.arange(n))), counts

    (users, user_counts), (items, item_counts) = side("user", n_users), side("item", n_items)
    return rn.Encoder(users, items, user_counts, item_counts, 3.0, 1.4, (1.0, 5.0), {})


def our_model(kind: str, encoder: Any) -> Any:
    import recsys_nn as rn

    configs = {
        "svd": rn.SVDConfig(embedding_dim=DIM),
        "neumf": rn.NeuMFConfig(embedding_dim=DIM, widths=(64, 32, 16)),
    }
    return rn.build_model(configs[kind], encoder, seed=1)


def peer_model(system: str, n_users: int, n_items: int) -> Any:
    """Biased matrix factorisation as a tutorial writes it: keras.layers.Embedding and a dot product."""
    import keras

    user, item = (keras.Input((), dtype="int32", name=name) for name in ("user", "item"))
    p, a = (keras.layers.Embedding(n_users + 1, width)(user) for width in (DIM, 1))
    q, b = (keras.layers.Embedding(n_items + 1, width)(item) for width in (DIM, 1))
    if system == "keras-rs":
        import keras_rs

        product = keras_rs.layers.DotInteraction()([p, q])
    else:
        product = keras.layers.Dot(axes=1)([p, q])
    return keras.Model({"user": user, "item": item}, keras.layers.Add()([product, a, b]))


def case_epochs(
    system: str,
    kind: str = "svd",
    optimizer: str = "adam",
    batch: int = 1024,
    users: int = U1_USERS,
    items: int = U1_ITEMS,
    ratings: int = 0,
    repeats: int = 5,
) -> dict[str, float]:
    """Ratings per second of an epoch, the median of ``repeats``; the time before the first one; peak memory."""
    if ratings:
        table = uniform(ratings, users, items)
    else:
        frame = u1_base()
        table = {
            "user": frame["user"].to_numpy(np.int32),
            "item": frame["item"].to_numpy(np.int32),
            "rating": frame["rating"].to_numpy(np.float32),
        }
    n = len(table["rating"])
    if system == "surprise":
        seconds, first = surprise_epochs(table, repeats)
    elif system in ("model.fit", "tutorial", "keras-rs"):
        seconds, first = keras_epochs(system, kind, optimizer, batch, table, users, items, repeats)
    else:
        seconds, first = trainer_epochs(system, kind, optimizer, batch, table, encoder_of(users, items, n), repeats)
    return {"per_second": n / seconds, "epoch": seconds, "first": first, "peak_mib": peak_mib()}


def surprise_epochs(table: dict[str, np.ndarray], repeats: int) -> tuple[float, float]:
    import pandas as pd
    import surprise

    data = surprise.Dataset.load_from_df(pd.DataFrame(table), surprise.Reader(rating_scale=(1, 5)))
    trainset = data.build_full_trainset()
    epochs = 10
    seconds = []
    for _ in range(repeats):
        model = surprise.SVD(n_factors=DIM, n_epochs=epochs)
        began = time.perf_counter()
        model.fit(trainset)
        seconds.append((time.perf_counter() - began) / epochs)
    return statistics.median(seconds), 0.0


def keras_epochs(
    system: str, kind: str, optimizer: str, batch: int, table: dict, users: int, items: int, repeats: int
) -> tuple[float, float]:
    """Plain ``model.fit`` on arrays, with Keras's defaults."""
    import keras

    n = len(table["rating"])
    model = our_model(kind, encoder_of(users, items, n)) if system == "model.fit" else peer_model(system, users, items)
    chosen = keras.optimizers.get({"class_name": optimizer, "config": {"learning_rate": RATE}})
    model.compile(chosen, "mse", metrics=[keras.metrics.RootMeanSquaredError(), "mae"])
    inputs = {name: table[name] for name in ("user", "item")}
    seconds = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        model.fit(inputs, table["rating"], batch_size=batch, epochs=1, verbose=0)
        seconds.append(time.perf_counter() - began)
    usual = statistics.median(seconds[1:])
    return usual, seconds[0] - usual


def trainer_epochs(
    engine: str, kind: str, optimizer: str, batch: int, table: dict, encoder: Any, repeats: int
) -> tuple[float, float]:
    """This package's Trainer with one of its engines."""
    import recsys_nn as rn

    model = our_model(kind, encoder)
    tensors = rn.Tensors({name: table[name] for name in ("user", "item")}, table.pop("rating"))
    settings = {"epochs": repeats + 1, "patience": None, "validation": 0, "learning_rate": RATE}
    config = rn.TrainConfig(engine=engine, optimizer=optimizer, batch_size=batch, **settings)
    run = rn.Trainer(config, progress=False).fit(model, tensors)
    seconds = run.history["seconds"]
    usual = float(seconds[1:].median())
    return usual, run.seconds - float(seconds.sum()) + float(seconds[0]) - usual


def race_parts(seed: int = 7) -> Any:
    import recsys_nn as rn

    ratings = rn.Ratings(u1_base(), scale=(1, 5))
    return rn.random_split(ratings, validation=0.1, test=0, seed=seed)


def case_race(optimizer: str, rate: float, batch: int, l2: float, target: float = 0.94) -> dict[str, float]:
    """Wall time from the first step to a validation RMSE, validation included."""
    import recsys_nn as rn

    split = race_parts()
    encoder = rn.Encoder.fit(split.train)
    model = rn.build_model(rn.SVDConfig(embedding_dim=DIM, l2=l2), encoder, seed=7)
    config = rn.TrainConfig(
        optimizer=optimizer, learning_rate=rate, batch_size=batch, epochs=40, metrics=("rmse",), engine="compiled"
    )
    run = rn.Trainer(config, progress=False).fit(model, encoder.encode(split.train), encoder.encode(split.validation))
    history = run.history
    reached = history["val_rmse"] <= target
    seconds = history["seconds"].cumsum()
    return {
        "rmse": float(history["val_rmse"].min()),
        "to_target": float(seconds[reached].min()),
        "epochs_to_target": float(history["epoch"][reached].min()),
        "to_best": float(seconds[run.best_epoch - 1]),
        "preparing": run.seconds - float(seconds.iloc[-1]),
    }


def case_race_surprise(rate: float = 0.005, regularisation: float = 0.02) -> dict[str, float]:
    """Wall time of Surprise's ``fit`` with the number of epochs that is best on the same validation part."""
    import surprise

    split = race_parts()
    columns = ["user", "item", "rating"]
    reader = surprise.Reader(rating_scale=(1, 5))
    trainset = surprise.Dataset.load_from_df(split.train.frame[columns], reader).build_full_trainset()
    held_out = list(split.validation.frame[columns].itertuples(index=False, name=None))
    best = (np.inf, 0, 0.0)
    for epochs in range(5, 61, 5):
        model = surprise.SVD(DIM, n_epochs=epochs, lr_all=rate, reg_all=regularisation, random_state=1)
        began = time.perf_counter()
        model.fit(trainset)
        seconds = time.perf_counter() - began
        best = min(best, (surprise.accuracy.rmse(model.test(held_out), verbose=False), epochs, seconds))
    return {"rmse": best[0], "epochs": best[1], "to_best": best[2]}


def case_stream(
    ratings: int = 10**8, users: int = 10**6, items: int = 10**5, batch: int = 1024, repeats: int = 5
) -> dict[str, float]:
    """Parquet files to a trained model: rows per second of each pass, and the peak memory of the process."""
    import recsys_nn as rn

    with tempfile.TemporaryDirectory() as folder:
        write_parquet(Path(folder), ratings, users, items)
        stream = rn.stream_ratings(folder, scale=(1, 5))
        seconds = {}
        began = time.perf_counter()
        encoder = rn.Encoder.fit(stream)
        seconds["fit"] = time.perf_counter() - began
        began = time.perf_counter()
        part = encoder.encode_stream(stream)
        seconds["encode"] = time.perf_counter() - began
        model = our_model("svd", encoder)
        settings = {"patience": None, "validation": 0, "optimizer": "rowwise_sgd", "engine": "compiled"}
        run = rn.Trainer(rn.TrainConfig(batch_size=batch, epochs=repeats + 1, **settings), progress=False).fit(
            model, part
        )
        seconds["epoch"] = float(run.history["seconds"][1:].median())
        tables = sum(weight.numpy().nbytes for weight in model.weights) / 2**20
    rates = {f"{name}_per_second": ratings / value for name, value in seconds.items()}
    return rates | {"peak_mib": peak_mib(), "tables_mib": tables}


def write_parquet(folder: Path, n_ratings: int, n_users: int, n_items: int, rows: int = 2_000_000) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for number, start in enumerate(range(0, n_ratings, rows)):
        columns = uniform(min(rows, n_ratings - start), n_users, n_items, seed=number)
        pq.write_table(pa.table(columns), folder / f"part-{number:04}.parquet")


def case_predict(pairs: int = 1_000_000) -> dict[str, float]:
    """Pairs per second of a Predictor after its first call, and the seconds of ``recsys-nn predict`` on a CSV."""
    import pandas as pd

    import recsys_nn as rn

    users, items = 100_000, 20_000
    encoder = encoder_of(users, items, 10 * pairs)
    predictor = rn.Predictor(our_model("svd", encoder), encoder)
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"user": rng.integers(0, users, pairs), "item": rng.integers(0, items, pairs)})
    rows = encoder.encode_pairs(frame["user"], frame["item"])
    found = {}
    for name, predict in {
        "rows_per_second": lambda: predictor.predict_rows(rows),
        "frame_per_second": lambda: predictor.predict(frame),
    }.items():
        predict()
        found[name] = pairs / statistics.median(timed(predict) for _ in range(5))
    found["file_seconds"] = seconds_of_predicting_a_file(frame)
    return found


def seconds_of_predicting_a_file(frame: Any) -> float:
    """Of ``recsys-nn predict`` as a whole process, with a run of string ids."""
    import recsys_nn as rn

    asked = frame.astype(str)
    known = asked.drop_duplicates(["user", "item"]).head(200_000).assign(rating=np.arange(200_000) % 5 + 1.0)
    encoder = rn.Encoder.fit(rn.Ratings(known, scale=(1, 5)))
    with tempfile.TemporaryDirectory() as folder:
        rn.Predictor(our_model("svd", encoder), encoder).save(f"{folder}/run")
        asked.to_csv(f"{folder}/pairs.csv", index=False)
        command = [sys.executable, "-c", "from recsys_nn.cli import main; main()", "predict", f"{folder}/run"]
        command += [f"{folder}/pairs.csv", "--output", f"{folder}/predicted.csv"]
        return statistics.median(
            timed(lambda: subprocess.run([*command, "--overwrite"], check=True, stdout=subprocess.DEVNULL))
            for _ in range(3)
        )


def timed(call: Any) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main() -> None:
    name, arguments = sys.argv[1], json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    print(json.dumps(globals()[f"case_{name}"](**arguments)))


if __name__ == "__main__":
    main()

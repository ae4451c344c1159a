"""A program of somebody else, which uses every public name of the package: as mypy and pyright read it, and as it runs.

python outside_program.py FOLDER    leaves there what it writes
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, assert_type

import pandas as pd
from matplotlib.figure import Figure

import recsys_nn as rn

TRAINING = rn.TrainConfig(
    optimizer="lazy_adam", learning_rate=0.01, batch_size=64, epochs=2, patience=None, engine="keras"
)


def table() -> pd.DataFrame:
    """Of 12 users and 10 items, two thirds of the pairs."""
    pairs = [(user, item) for user in range(12) for item in range(10) if (user + item) % 3]
    users, items = [f"u{user}" for user, _ in pairs], [f"i{item}" for _, item in pairs]
    ratings = [1.0 + (user * item + user) % 5 for user, item in pairs]
    return pd.DataFrame({"user": users, "item": items, "rating": ratings, "timestamp": range(len(pairs))})


def tables(folder: Path) -> rn.Split:
    ratings = assert_type(rn.load_ratings(table(), scale=(1, 5)), rn.Ratings)
    assert_type((ratings.n_users, ratings.n_items, len(ratings)), tuple[int, int, int])
    assert_type(ratings.frame, pd.DataFrame)
    assert_type(ratings.scale, tuple[float, float])
    assert_type(ratings.user_features, pd.DataFrame | None)
    assert_type(ratings.take([0, 1, 2]).joined(ratings.take([3])), rn.Ratings)
    assert_type(rn.Ratings(ratings.frame, scale=(1, 5)).liked(4), rn.Ratings)
    assert_type(rn.dataset_names(), list[str])
    splits = (rn.random_split, rn.stratified_split)
    for split in splits:
        assert_type(split(ratings, validation=0.2, test=0.2, seed=1).train, rn.Ratings)
    assert_type(rn.temporal_split(ratings, test=0.3), rn.Split)
    assert_type(rn.leave_last_out_split(ratings, n=1), rn.Split)
    assert_type(rn.kfold(ratings, 3), Iterator[rn.Split])
    ratings.frame.to_parquet(folder / "ratings.parquet")
    return rn.random_split(ratings, validation=0.2, test=0.2, seed=7)


def streams(folder: Path) -> rn.TrainingRun:
    stream = assert_type(rn.stream_ratings(folder / "ratings.parquet", scale=(1, 5)), rn.RatingsStream)
    for part in stream:
        assert_type(part, rn.Ratings)
    encoder = rn.Encoder.fit(stream)
    tensors = assert_type(encoder.encode_stream(stream, cache=folder / "cache"), rn.StreamedTensors)
    assert_type(len(tensors), int)
    return rn.Trainer(TRAINING, progress=False).fit(rn.build_model(rn.SVDConfig(embedding_dim=2), encoder), tensors)


def configs() -> list[rn.ModelConfig]:
    """One of each kind, with heads, an optimizer and a schedule as people write them."""
    rn.TrainConfig(optimizer={"name": "sgd", "momentum": 0.9}, schedule={"kind": "cosine"}, callbacks=["csv_logger"])
    rn.SVDConfig(head={"kind": "bounded"})
    assert_type(rn.SVDConfig().embedding_dim, int)
    assert_type(rn.NeuMFConfig().kind, Literal["neumf"])
    return [
        rn.GlobalMeanConfig(),
        rn.UserMeanConfig(),
        rn.ItemMeanConfig(),
        rn.BiasConfig(),
        rn.SVDConfig(embedding_dim=4, l2=0.01, head="ordinal"),
        rn.SVDPPConfig(embedding_dim=4),
        rn.PolynomialConfig(embedding_dim=4, degree=2),
        rn.BSplineConfig(embedding_dim=4),
        rn.KernelConfig(embedding_dim=4),
        rn.GMFConfig(embedding_dim=4),
        rn.MLPConfig(embedding_dim=4, widths=(8, 4)),
        rn.NeuMFConfig(embedding_dim=4, widths=(8, 4)),
        rn.FMConfig(embedding_dim=4),
        rn.DeepFMConfig(embedding_dim=4, widths=(8,)),
        rn.AutoRecConfig(),
    ]


class HalvedConfig(rn.ModelConfig):
    """A kind of one's own."""

    kind: str = "halved"
    embedding_dim: int = 4


@rn.register_model(HalvedConfig)
def halved(config: HalvedConfig, encoder: rn.Encoder) -> Any:
    return rn.build_model(rn.SVDConfig(embedding_dim=config.embedding_dim // 2), encoder)


def trained(split: rn.Split) -> tuple[rn.TrainingRun, rn.Predictor]:
    encoder = assert_type(rn.Encoder.fit(split.train), rn.Encoder)
    assert_type((encoder.n_users, encoder.n_items, encoder.rating_mean), tuple[int, int, float])
    train = assert_type(encoder.encode(split.train), rn.Tensors)
    held_out = encoder.encode(split.validation)
    model = rn.build_model(rn.SVDConfig(embedding_dim=4), encoder, seed=1)
    tested = assert_type(rn.range_test(model, train, TRAINING, steps=10), rn.RangeTest)
    assert_type(tested.rate, float)
    assert_type(tested.plot(), Figure)
    run = assert_type(rn.Trainer(TRAINING, progress=False).fit(model, train, held_out), rn.TrainingRun)
    assert_type((run.best_epoch, run.seconds), tuple[int, float])
    assert_type(run.history, pd.DataFrame)
    assert_type(run.plot_history(), Figure)
    sampled = rn.sample_posterior(run, train, rn.PosteriorConfig(samples=2, burn_in=2, thin=1), progress=False)
    rn.Predictor(sampled, encoder)
    return run, rn.Predictor(run.model, encoder)


def optimizers(split: rn.Split) -> None:
    encoder = rn.Encoder.fit(split.train)
    for optimizer in (rn.RowwiseSGD(0.1), rn.RowwiseAdagrad(0.1), rn.LazyAdam(0.01)):
        rn.build_model(rn.SVDConfig(embedding_dim=2), encoder).compile(optimizer=optimizer, loss="mse")


def predicted(predictor: rn.Predictor, split: rn.Split, folder: Path) -> rn.Predictor:
    assert_type(predictor.predict([("u1", "i1"), ("u2", "new")]), pd.DataFrame)
    calibrated = assert_type(predictor.calibrated(split.validation), rn.Predictor)
    assert_type(calibrated.predict(users=["u1"], items=["i1"], interval=0.9), pd.DataFrame)
    assert_type(calibrated.with_seen(split.train).recommend(["u1"], n=3), pd.DataFrame)
    assert_type(predictor.similar_items("i1", n=2), pd.DataFrame)
    assert_type(predictor.similar_users("u1", n=2), pd.DataFrame)
    newcomer = pd.DataFrame({"user": ["new", "new"], "item": ["i1", "i2"], "rating": [5.0, 1.0]})
    assert_type(predictor.fold_in(newcomer), rn.Predictor)
    assert_type(predictor.with_seen(split.train).update(newcomer, training=TRAINING), rn.Predictor)
    path = assert_type(calibrated.save(folder / "saved", overwrite=True), Path)
    split.test.frame[["user", "item"]].to_csv(folder / "pairs.csv", index=False)
    written = predictor.predict_file(folder / "pairs.csv", folder / "predicted.csv", overwrite=True)
    assert_type((written.rows, written.output), tuple[int, Path])
    return rn.Predictor.load(path)


def on_a_cluster(predictor: rn.Predictor, pairs: Path, output: Path) -> int:
    """Not run, as it needs the extra ``ray``."""
    return rn.predict_folder(predictor, pairs, output, cluster={"workers": 2}, overwrite=True).rows


def judged(predictor: rn.Predictor, split: rn.Split) -> float:
    evaluation = assert_type(rn.evaluate(predictor, split.test), rn.Evaluation)
    assert_type(evaluation.metrics, dict[str, float])
    assert_type(evaluation.summary, pd.DataFrame)
    compared = assert_type(rn.compare([rn.GlobalMeanConfig(), rn.BiasConfig()], split, progress=False), rn.Comparison)
    assert_type(compared.table, pd.DataFrame)
    assert_type(compared.plot(), Figure)
    return assert_type(evaluation.rmse, float)


def run_from_config(folder: Path) -> rn.ExperimentResult:
    described: Mapping[str, Any] = {
        "output": str(folder / "run"),
        "data": {"source": str(folder / "ratings.parquet"), "scale": [1, 5]},
        "model": {"kind": "svd", "embedding_dim": 4},
        "training": {"epochs": 2, "engine": "keras"},
    }
    config = assert_type(rn.load_config(described, overrides=["seed=3"]), rn.RunConfig)
    assert_type(config.to_yaml(), str)
    assert_type(config.training, rn.TrainConfig)
    assert_type(config.model, rn.ModelConfig)
    result = assert_type(rn.run_experiment(config, overwrite=True, progress=False), rn.ExperimentResult)
    assert_type(result.path, Path | None)
    assert_type(result.run, rn.TrainingRun)
    assert_type(result.predictor, rn.Predictor)
    assert_type(result.evaluation, rn.Evaluation | None)
    report = assert_type(rn.build_report(folder / "run"), rn.Report)
    assert_type(report.save(folder / "run.html", overwrite=True), Path)
    blended = assert_type(rn.blend([folder / "run", folder / "run"]), rn.Blend)
    assert_type(blended.rmse, float)
    return result


def advised(split: rn.Split, run: rn.TrainingRun) -> str:
    suggestion = assert_type(rn.suggest(split.train, progress=False), rn.Suggestion)
    assert_type(suggestion.config, rn.RunConfig)
    assert_type(suggestion.to_yaml(), str)
    diagnosis = assert_type(rn.diagnose(run), rn.Diagnosis)
    for finding in diagnosis:
        assert_type(finding, rn.Finding)
        assert_type(finding.fix, str)
    return diagnosis.summary


def chosen(config: rn.RunConfig, split: rn.Split) -> list[Figure]:
    crossed = assert_type(rn.cross_validate(config, split, folds=2, progress=False), rn.CrossValidation)
    assert_type(crossed.metrics, dict[str, float])
    assert_type(rn.refit(crossed, progress=False), rn.ExperimentResult)
    curves = [
        rn.epoch_curve(config, split, progress=False),
        rn.learning_curve(config, split, fractions=[0.5, 1.0], seeds=1, progress=False),
        rn.validation_curve(config, split, key="model.embedding_dim", values=[1, 2], seeds=1, progress=False),
        rn.sensitivity(config, split, learning_rates=[0.01], batch_sizes=[32, 64], progress=False),
        rn.bias_variance(config, key="model.embedding_dim", values=[1, 2], resamples=2, progress=False),
    ]
    assert_type(curves, list[rn.Curve])
    return [curve.figure for curve in curves]


def searched(config: rn.RunConfig, split: rn.Split) -> float:
    """Needs the extra ``search``."""
    space = {"space": {"training.learning_rate": {"low": 0.001, "high": 0.1, "log": True}}, "trials": 2}
    found = assert_type(rn.tune(config.with_values({"search": space}), split, progress=False), rn.SearchResult)
    assert_type(found.best, rn.RunConfig)
    return assert_type(found.score, float)


def as_scikit_learn_has_it() -> float:
    frame = table()
    regressor = rn.RatingRegressor(rn.SVDConfig(embedding_dim=2), TRAINING, scale=(1, 5))
    fitted = regressor.fit(frame[["user", "item"]], frame["rating"])
    return float(assert_type(fitted, rn.RatingRegressor).predict(frame[["user", "item"]]).mean())


def refused() -> list[rn.RecsysError]:
    found: list[rn.RecsysError] = []
    try:
        rn.load_ratings("nowhere.csv")
    except (rn.DataError, rn.ArtifactError) as error:
        found.append(error)
    try:
        rn.load_config({"model": {"kind": "sdv"}})
    except rn.ConfigError as error:
        found.append(error)
    except rn.TrainingError as error:
        rn.diagnose(error)
    return found


def main(folder: Path) -> None:
    print("version", rn.__version__)
    split = tables(folder)
    streams(folder)
    run, predictor = trained(split)
    optimizers(split)
    print("rmse", judged(predicted(predictor, split, folder), split))
    print("path", run_from_config(folder).path)
    print(advised(split, run))
    print("refused", [str(error) for error in refused()])
    print("mean", as_scikit_learn_has_it())


if __name__ == "__main__":
    main(Path(sys.argv[1]))

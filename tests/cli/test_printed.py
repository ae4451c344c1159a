"""What commands ask of the package, and what they print word for word; what they ask for is made up here."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from recsys_nn import DataError, Evaluation, TrainingError, load_config
from recsys_nn.cli.shared import read_test_ratings
from recsys_nn.config.run import config_schema
from recsys_nn.data.table_format import TableFormat
from recsys_nn.prediction.batch.file import PredictedFile
from recsys_nn.prediction.batch.folder import PredictedFolder
from recsys_nn.runs.finished import FinishedRun
from recsys_nn.serving.limits import Limits
from tests.cli.made_up import CONFIG, LAID_OUT, LAYOUT, PLACE

pytestmark = pytest.mark.usefixtures("configs")

SEGMENTS = pd.DataFrame(
    [("user", "0", 0, np.nan, np.nan, np.nan), ("user", "1 to 9", 1234, 0.91234, 0.81234, 0.95678)],
    columns=["side", "ratings", "n", "rmse", "mae", "bias"],
)
EVALUATION = Evaluation(
    n=1234,
    rmse=0.81234,
    mae=0.61234,
    r2=0.51234,
    baselines={"global": 1.0, "bias": 0.9},
    of_probabilities={},
    oracle=None,
    segments=SEGMENTS,
    table=pd.DataFrame(),
)
OF_CLASSES = replace(
    EVALUATION,
    rmse=0.99,
    oracle=0.7,
    of_probabilities={"log_loss": 1.23456, "accuracy": 0.4321},
    segments=SEGMENTS.assign(coverage=0.9, width=3.0),
    interval=0.9,
    coverage=0.8765,
    width=3.14159,
)


def experiment(evaluation=EVALUATION, stop_reason="patience", ensemble=None, path=None):
    run = SimpleNamespace(stop_reason=stop_reason, best_epoch=7, history=range(9), seconds=12.345, engine="compiled")
    config = SimpleNamespace(model=SimpleNamespace(kind="svd"), ensemble=ensemble)
    predictor = SimpleNamespace(model=SimpleNamespace(n_members=30))
    return SimpleNamespace(run=run, config=config, predictor=predictor, evaluation=evaluation, path=path)


def test_train(printed, gives, snapshot):
    asked = gives("recsys_nn.experiment.run_experiment", experiment())
    assert printed("train", "run.yaml") == snapshot
    words = ("--set", "seed=3", "--set", "training.epochs=9", "--output", "other", "--overwrite", "--resume")
    printed("train", "run.yaml", *words)
    assert asked == [
        (load_config("run.yaml"), {"overwrite": False, "resume": False}),
        (
            load_config(CONFIG | {"seed": 3, "training": {"epochs": 9}, "output": "other"}),
            {"overwrite": True, "resume": True},
        ),
    ]


def test_train_of_an_interrupted_ensemble_with_a_folder_and_probabilities(printed, gives, snapshot):
    result = experiment(OF_CLASSES, "interrupted", ensemble={}, path=Path(PLACE))
    gives("recsys_nn.experiment.run_experiment", result)
    saved = []
    report = SimpleNamespace(save=lambda place: saved.append(place) or place)
    built = gives("recsys_nn.report.build_report", report)
    assert printed("train", "run.yaml", code=130) == snapshot
    assert (built, saved) == ([(result,)], [Path(f"{PLACE}-report.html").absolute()])


def test_train_without_a_test_part_or_a_report(printed, gives, snapshot):
    gives("recsys_nn.experiment.run_experiment", experiment(evaluation=None, path=Path(PLACE)))
    gives("recsys_nn.report.build_report", DataError("a [very] long story of 12 " + "words" * 12))
    assert printed("train", "run.yaml") == snapshot


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (TrainingError("epoch 3: nan"), 1, "recsys-nn: epoch 3: nan\n"),
        (DataError("line 3: nan"), 2, "recsys-nn: line 3: nan\n"),
        (MemoryError("12 GiB"), 1, "recsys-nn: there is not enough memory: 12 GiB\n"),
        (type("ResourceExhaustedError", (Exception,), {})("OOM"), 1, "recsys-nn: there is not enough memory: OOM\n"),
        (KeyboardInterrupt(), 130, "recsys-nn: interrupted\n"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(run, gives, error, code, told):
    gives("recsys_nn.experiment.run_experiment", error)
    assert run("train", "run.yaml") == (code, "", told)


REFUSED = [
    "compare run.yaml run.yaml --ratings synthetic",
    "compare run.yaml run.yaml --kinds svd,gmf",
    "compare a b --plot plot.csv",
    "compare a b --plot run.png",
    "compare a b --output run.csv",
    "compare a b --user who",
    "cross-validate run.yaml --output x",
    "cross-validate search.yaml --set output=null --refit",
    "doctor run --set seed=1",
    "doctor run --separator ;",
    "doctor run.yaml --pairs pairs.csv",
    "predict run pairs.csv --output s3://bucket/out.parquet",
    "predict run pairs.csv --output out.csv --set cluster.workers=3",
    "predict run pairs --output out --set training.epochs=3 --set seed=1",
    "predict run pairs --output out --set cluster.worker=3",
    "predict run pairs --output out",
    "recommend run",
    "suggest new.csv --set model.kind=svd",
    "tune search.yaml --set output=null",
]


def test_what_commands_refuse_is_told_in_a_line(run, gives, snapshot):
    gives("matplotlib.backend_bases.FigureCanvasBase.get_supported_filetypes", ("svg", "png"))
    for place in ("run", "pairs"):
        Path(place).mkdir()
    Path("run/config.yaml").write_text("cluster: {workers: 3, address: 'ray://stranger:10001'}\n")
    for taken in ("run.png", "run.csv"):
        Path(taken).touch()
    told = {words: run(*words.split()) for words in REFUSED}
    assert {code for code, _, _ in told.values()} == {2}
    assert [
        f"{words}: {out}{err.removeprefix('recsys-nn: ').strip()}" for words, (_, out, err) in told.items()
    ] == snapshot


def test_evaluate(printed, gives, snapshot):
    finished = SimpleNamespace(predictor="predictor")
    loaded = gives("recsys_nn.runs.finished.FinishedRun.load", finished)
    read = gives("recsys_nn.cli.evaluate.read_test_ratings", "ratings")
    judged = gives("recsys_nn.evaluation.evaluate", EVALUATION)
    assert printed("evaluate", "run", "new.csv", *LAID_OUT, "--manifest-sha256", "ab") == snapshot
    assert loaded == [(Path("run"), {"manifest_sha256": "ab"})]
    assert read == [("new.csv", finished, LAYOUT)]
    assert judged == [("predictor", "ratings")]


def test_ratings_for_a_run_are_read_with_the_types_of_its_training(gives):
    encoder = SimpleNamespace(id_types={"user": "integer", "item": "string"}, context_columns=("hour",))
    run = FinishedRun(SimpleNamespace(encoder=encoder), None, {})
    read = gives("recsys_nn.data.read_ratings", "ratings")
    generated = gives("recsys_nn.data.load_ratings", "generated")
    taken = gives("recsys_nn.runs.finished.FinishedRun.as_trained", "taken")
    assert read_test_ratings("new.csv", run, LAYOUT) == "taken"
    assert read == [("new.csv", LAYOUT, {"id_types": encoder.id_types, "context": ("hour",)})]
    read_test_ratings("synthetic", run, LAYOUT)
    assert generated == [("synthetic",)]
    assert taken == [(run, "ratings"), (run, "generated")]


def test_the_commands_are_listed(run):
    code, out, _ = run("config")
    assert (code, "Print configs and their schema." in out) == (2, True)
    code, out, _ = run("--help")
    assert (code, "Rating prediction with latent-factor and neural models in Keras." in out) == (0, True)
    listed = [line.split()[1] for line in out.splitlines() if re.match(r"[│|] [a-z]", line)]
    assert sorted(listed) == [
        *("blend", "compare", "config", "cross-validate", "datasets", "doctor", "evaluate", "export", "predict"),
        *("recommend", "report", "serve", "suggest", "train", "tune"),
    ]


def test_datasets(printed, snapshot):
    assert printed("datasets") == snapshot


def test_configs_and_their_schema_are_printed_whole(run):
    assert run("config", "show", "run.yaml", "--set", "seed=3")[1] == load_config(CONFIG | {"seed": 3}).to_yaml()
    code, out, _ = run("config", "schema")
    assert code == 0
    assert yaml.safe_load(out) == config_schema()
    assert out.splitlines()[1].startswith('  "')


FILE = PredictedFile("out", rows=1234, sources={"model": 1200, "user": 34})
LEFT_OUT = PredictedFile("out", rows=0, sources={}, skipped=1234, skipped_file="skipped_" * 10, missing=("hour", "day"))


@pytest.mark.parametrize("found", [FILE, LEFT_OUT], ids=["whole", "left out"])
def test_predict(printed, gives, snapshot, found):
    asked = []
    predictor = SimpleNamespace(predict_file=lambda *given, **named: asked.append((*given, named)) or found)
    loaded = gives("recsys_nn.prediction.predictor.Predictor.load", predictor)
    place = "predictions_of_the_first_of_all_pairs_that_were_asked_for_in_2026.csv"
    layout, reading = TableFormat(timestamp="when", encoding="latin-1", header=False), ("--encoding", "latin-1")
    words = ("--interval", 0.8, "--on-error", "skip", "--timestamp", "when", *reading, "--no-header", "--overwrite")
    assert printed("predict", "run", "pairs.csv", "--output", place, *words) == snapshot
    settings = {"layout": layout, "interval": 0.8, "on_error": "skip", "overwrite": True, "progress": None}
    assert asked == [("pairs.csv", place, settings)]
    assert loaded == [(Path("run"), {"manifest_sha256": None})]


def test_predict_of_a_folder(printed, gives, snapshot):
    gives("recsys_nn.prediction.predictor.Predictor.load", "predictor")
    found = PredictedFolder("out", files=2, rows=5, sources={"item": 5}, skipped=1)
    asked = gives("recsys_nn.cluster.predict_folder", found)
    Path("pairs").mkdir()
    assert printed("predict", "run", "pairs", "--output", "out") == snapshot
    settings = {"layout": TableFormat(), "interval": None, "on_error": "stop", "overwrite": False}
    assert asked == [("predictor", "pairs", "out", {"cluster": None, "progress": None, **settings})]


def test_ids_are_read_with_the_type_of_the_training(run, gives):
    encoder = SimpleNamespace(users=SimpleNamespace(name="user", type="integer"), items=None)
    gives("recsys_nn.prediction.predictor.Predictor.load", SimpleNamespace(encoder=encoder))
    told = "--user: the user id must be a plain 64-bit integer, as other user ids are, not 'ann'"
    assert run("recommend", "run", "--user", "ann") == (2, "", f"recsys-nn: {told}\n")


def test_recommend(printed, gives, snapshot):
    found = pd.DataFrame(
        [
            ("ann", 1, "x", "Xanadu [1980]", 4.5678, "model"),
            ("ann", 2, "y", "Yi Yi", 4.0, "model"),
            ("[zoe]", 1, "x", "Xanadu [1980]", 3.9999, "item"),
        ],
        columns=["user", "rank", "item", "name", "prediction", "source"],
    )
    asked = []
    predictor = SimpleNamespace(recommend=lambda *given, **named: asked.append((*given, named)) or found)
    vocabularies = [SimpleNamespace(name=name, type="string") for name in ("user", "item")]
    predictor.encoder = SimpleNamespace(users=vocabularies[0], items=vocabularies[1])
    gives("recsys_nn.prediction.predictor.Predictor.load", predictor)
    assert printed("recommend", "run", "--user", "ann", "--user", "zoe", "--item", "x", "-n", 3) == snapshot
    place = "recommendations_for_all_users_of_the_shop_of_this_year.csv"
    assert printed("recommend", "run", "--seen", "--output", place) == [
        f"3 recommendations for 2 users written to {place}"
    ]
    (users, n, named), everything = asked
    assert (users.tolist(), n, named["exclude_seen"], named["candidates"].tolist()) == (["ann", "zoe"], 3, True, ["x"])
    assert everything == (None, 10, {"exclude_seen": False, "candidates": None})


@pytest.mark.parametrize(
    ("words", "place", "overwrite"),
    [
        (("runs/a",), "runs/a-report.html", False),
        (("a", "b", "--overwrite"), "report.html", True),
        (("a", "b", "--output", "page.html"), "page.html", False),
    ],
)
def test_report(printed, gives, words, place, overwrite):
    saved = []
    report = SimpleNamespace(save=lambda file, **named: saved.append((file, named)) or Path(PLACE))
    asked = gives("recsys_nn.report.build_report", report)
    assert printed("report", *words) == [f"Report: {PLACE}"]
    assert [(file.absolute(), named) for file, named in saved] == [(Path(place).absolute(), {"overwrite": overwrite})]
    assert asked == [([Path(word) for word in words if len(word) == 1 or word == "runs/a"],)]


def test_serve(printed, gives):
    asked = gives("recsys_nn.serving.serve", None)
    printed("serve", "run")
    words = ("--max-pairs", 1, "--max-body", 2, "--time-limit", 3, "--max-waiting", 4)
    printed("serve", "run", "--host", "0.0.0.0", "--port", 80, *words)
    usual, asked_for = Limits(), Limits(pairs=1, body=2, seconds=3, waiting=4)
    assert asked == [
        (Path("run"), {"host": "127.0.0.1", "port": 8000, "limits": usual}),
        (Path("run"), {"host": "0.0.0.0", "port": 80, "limits": asked_for}),
    ]


def test_suggest(printed, gives):
    loaded = gives("recsys_nn.runs.load_whole", "ratings")
    asked = gives("recsys_nn.advice.suggest", SimpleNamespace(to_yaml=lambda: "seed: 3\n"))
    words = ("--kind", "svd", "--set", "data.scale=[1,5]", "--set", "seed=3", *LAID_OUT)
    assert printed("suggest", "folder/r.csv.gz", *words) == ["seed: 3"]
    format_ = {"user": "who", "item": 1, "separator": ";", "header": True}
    data = load_config({"data": {"source": "folder/r.csv.gz", "format": format_, "scale": [1, 5]}}).data
    assert loaded == [(data,)]
    assert asked == [("ratings", {"kind": "svd", "data": data, "seed": 3, "output": "runs/r"})]


def test_doctor(printed, gives, snapshot):
    found = "Of 12 [bold] things\n  one is " + "far " * 20 + "off"
    asked = gives("recsys_nn.advice.diagnose", found)
    read = gives("recsys_nn.data.read_pairs", ("pairs", ()))
    encoder = SimpleNamespace(id_types="types", context_columns=("hour",))
    finished = SimpleNamespace(predictor=SimpleNamespace(encoder=encoder))
    gives("recsys_nn.runs.finished.FinishedRun.load", finished)
    assert printed("doctor", "run.yaml", "--set", "seed=3") == snapshot
    printed("doctor", "run")
    printed("doctor", "run", "--pairs", "pairs.csv", *LAID_OUT)
    assert asked == [
        (load_config(CONFIG | {"seed": 3}),),
        (finished, {"pairs": None}),
        (finished, {"pairs": "pairs"}),
    ]
    assert read == [(Path("pairs.csv"), LAYOUT, "types", {"context": ("hour",)})]

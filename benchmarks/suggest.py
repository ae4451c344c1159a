"""What `recsys-nn suggest` suggests, trained without a change: beside Surprise, the bias baseline, and a search.

    pip install -e . -r benchmarks/accuracy/requirements.txt
    RECSYS_NN_DATA=FOLDER python -m benchmarks.suggest [--tables u1,netflix] [--steps score,search] [--log FILE]

For each table `recsys-nn suggest train.tsv > my.yaml`, `recsys-nn train my.yaml` (with data.split.test=0, as the test
part is a file of its own) in fresh processes, and one scoring of the test file. Beside it stands SVD of Surprise with
its defaults on the same files, from accuracy.jsonl. Then 30 trials of a search around the suggestion, judged on the
validation part on which the suggestion is. Everything is appended to the log, from which the report beside it is made.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import recsys_nn as rn
from benchmarks.accuracy.__main__ import names_of
from benchmarks.accuracy.contestants import ROOT, timed_process
from benchmarks.accuracy.report import markdown, read_log
from benchmarks.accuracy.tables import Table, load_table, random_fifth
from recsys_nn.config.search import SearchConfig
from recsys_nn.models.factors import FactorConfig
from recsys_nn.runs.data import fit_encoder, load_split

RESULTS = ROOT / "benchmarks" / "results"
REAL = {"u1": "MovieLens 100K, u1.base -> u1.test", "netflix": "Netflix sample", "half-stars": "MovieLens latest-small"}
GENERATED: dict[str, dict[str, Any]] = {
    "few": {"n_users": 150, "n_items": 120, "n_ratings": 3_000, "scale": (1, 5), "seed": 11},
    "halves": {"n_users": 800, "n_items": 500, "n_ratings": 20_000, "scale": (0, 10), "step": 0.5, "seed": 12},
    "signed": {"n_users": 2_000, "n_items": 800, "n_ratings": 60_000, "scale": (-10, 10), "step": None, "seed": 13},
    "percent": {"n_users": 3_000, "n_items": 2_000, "n_ratings": 200_000, "scale": (1, 100), "seed": 14},
    "million": {"n_users": 6_000, "n_items": 4_000, "n_ratings": 1_000_000, "scale": (1, 5), "seed": 15},
}
COMMAND = ("-c", "from recsys_nn.cli import main; main()")
TRIALS = 30


def table_of(name: str) -> Table:
    if name in REAL:
        return load_table(name)
    return random_fifth(name, dataset="synthetic", **GENERATED[name])


def suggested(table: Table, folder: Path) -> tuple[Path, float]:
    """The YAML that the command prints for the training file, and its seconds."""
    table.write(folder)
    known = [f"data.scale={list(table.train.scale)}", f"output={folder / 'run'}"]
    words = ["suggest", str(folder / "train.tsv"), "--no-header", "--separator", "\t"]
    printed, seconds = timed_process(*COMMAND, *words, *(word for told in known for word in ("--set", told)))
    yaml = folder / "suggested.yaml"
    yaml.write_text(printed, encoding="utf-8")
    return yaml, seconds


def score(table: Table, folder: Path) -> dict[str, Any]:
    """One scoring of the test file by what was suggested for the training file."""
    yaml, seconds = suggested(table, folder)
    _, training = timed_process(*COMMAND, "train", str(yaml), "--set", "data.split.test=0", "--overwrite")
    assert table.test is not None
    found = rn.evaluate(rn.Predictor.load(folder / "run"), table.test)
    metrics = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))
    return {
        **{name: getattr(found, name) for name in ("rmse", "mae", "coverage")},
        "bias": found.baselines["bias"],
        "oracle": found.oracle,
        "validation_rmse": metrics["validation_rmse"],
        "suggest_seconds": seconds,
        "train_seconds": training,
        "config": yaml.read_text(encoding="utf-8").replace(f"{folder}/", ""),
    }


def search(table: Table, folder: Path) -> dict[str, Any]:
    """Errors of a validation part: of the suggestion, and of the best of 30 trials around it; each also without samples
    of the posterior, of which the trials have none."""
    yaml, _ = suggested(table, folder)
    given = rn.load_config(yaml)
    whole = load_split(given.data, given.seed)
    split = rn.Split(whole.train, whole.validation)
    in_memory = {"data": given.data.model_copy(update={"source": None}), "output": None, "refit": False}
    sampled = given.model_copy(update=in_memory)
    alone = sampled.model_copy(update={"ensemble": None})

    def validated(config: rn.RunConfig) -> float:
        return rn.run_experiment(config, split, progress=False).metrics["validation_rmse"]

    trials = SearchConfig(trials=TRIALS, workers=2, space=space(alone, split))
    found = rn.tune(alone.model_copy(update={"search": trials}), split, progress=False)
    best = found.best.model_copy(update={"refit": False, "output": None, "search": None})
    of_trial = found.trials[found.trials["state"] == "complete"].sort_values("rmse").iloc[0]
    return {
        "suggested_alone": validated(alone),
        "suggested": validated(sampled),
        "found_alone": found.score,
        "found": validated(best.model_copy(update={"ensemble": given.ensemble})),
        "trials": len(found.trials),
        "chosen": {key: of_trial[key] for key in trials.space},
    }


def space(config: rn.RunConfig, split: rn.Split) -> dict[str, Any]:
    """What a search varies around a suggestion: dimensions, penalties, the rate and, where it is one, the batch."""
    model = config.model
    found: dict[str, Any] = {"training.learning_rate": {"low": 0.001, "high": 0.1, "log": True}}
    if "set_l2" not in type(model).model_fields:
        size = config.training.batch_size
        found["training.batch_size"] = [size // 4, size // 2, size, 2 * size, 4 * size]
    if isinstance(model, FactorConfig):
        dim, encoder = model.embedding_dim, fit_encoder(split, config.data.features)
        rule = model.prior * encoder.rating_std ** (1 if model.bilinear else 2) / encoder.n_ratings
        found["model.embedding_dim"] = [dim // 2, dim, 2 * dim, 4 * dim]
        found["model.l2"] = {"low": rule / 8, "high": rule * 8, "log": True}
        found["model.bias_l2"] = {"low": 0.5 / encoder.n_ratings, "high": 32 / encoder.n_ratings, "log": True}
        if "set_l2" in type(model).model_fields:
            found["model.set_l2"] = {"low": rule / 4, "high": rule * 16, "log": True}
    return found


STEPS: dict[str, Callable[[Table, Path], dict[str, Any]]] = {"score": score, "search": search}


def report(log: Path) -> str:
    """The report of a log."""
    lines = {(line["step"], line["table"]): line for line in read_log(log)}
    surprise = {
        line["table"]: line["rmse"]
        for line in read_log(RESULTS / "accuracy.jsonl")
        if line["contestant"] == "surprise-svd"
    }
    parts = [
        "# What `recsys-nn suggest` suggests",
        "Made by `python -m benchmarks.suggest` from its log, [suggest.jsonl](suggest.jsonl). Suggestions are trained "
        "as they are printed, with data.split.test=0, since the test part is a file of its own.",
        "## Real tables, RMSE (MAE) of the test file",
        _table(lines, REAL, partial(_real_row, surprise)),
        "Surprise: its SVD with defaults on the same files, from [accuracy.md](accuracy.md).",
        "## Generated tables of other sizes and scales, RMSE of a random fifth",
        _table(lines, GENERATED, _generated_row),
        "Oracle: the true expected rating.",
        f"## RMSE of the validation part, beside the best of {TRIALS} trials",
        _table(lines, REAL, _search_row, step="search"),
        "Trials vary dimensions, penalties, rate and batch around the suggestion, without samples of the posterior; "
        "the best of them is then sampled as the suggestion is. Found by the validation part that judges them, the "
        "best trial looks slightly better than it is.",
        "## The suggestions",
        *(
            f"### {name}\n\n```yaml\n{line['config'].rstrip()}\n```"
            for (step, name), line in lines.items()
            if step == "score"
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _table(lines: dict[tuple[str, str], Any], names: Any, row: Callable[..., Any], *, step: str = "score") -> str:
    rows = [row(name, lines[step, name]) for name in names if (step, name) in lines]
    return markdown(list(rows[0]), [list(shown.values()) for shown in rows]) if rows else "(not run)"


def _real_row(surprise: dict[str, float], name: str, line: dict[str, Any]) -> dict[str, str]:
    return {
        "data": REAL[name],
        "suggested": f"**{line['rmse']:.4f}** ({line['mae']:.4f})",
        "Surprise SVD": f"{surprise[name]:.4f}",
        "less by": f"{1 - line['rmse'] / surprise[name]:.1%}",
        "bias baseline": f"{line['bias']:.4f}",
        "90% intervals cover": f"{line['coverage']:.1%}",
        "suggest": f"{line['suggest_seconds']:.0f} s",
        "train": f"{line['train_seconds']:.0f} s",
    }


def _generated_row(name: str, line: dict[str, Any]) -> dict[str, str]:
    options = GENERATED[name]
    step = options.get("step", 1)
    return {
        "table": name,
        "ratings": f"{options['n_ratings']:,} of {options['n_items']:,} items by {options['n_users']:,} users",
        "scale": f"{options['scale'][0]} to {options['scale'][1]}, " + (f"by {step}" if step else "unrounded"),
        "suggested": f"**{line['rmse']:.4f}**",
        "bias baseline": f"{line['bias']:.4f}",
        "less by": f"{1 - line['rmse'] / line['bias']:.1%}",
        "oracle": f"{line['oracle']:.4f}",
        "suggest": f"{line['suggest_seconds']:.0f} s",
        "train": f"{line['train_seconds']:.0f} s",
    }


def _search_row(name: str, line: dict[str, Any]) -> dict[str, str]:
    return {
        "data": REAL[name],
        "suggested": f"**{line['suggested']:.4f}**",
        "best trial": f"{line['found_alone']:.4f}",
        "best trial, sampled": f"{line['found']:.4f}",
        "suggested above it by": f"{line['suggested'] / min(line['found'], line['found_alone']) - 1:+.1%}",
        "suggested, not sampled": f"{line['suggested_alone']:.4f}",
        "above the best trial by": f"{line['suggested_alone'] / line['found_alone'] - 1:+.1%}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [*REAL, *GENERATED]
    parser.add_argument("--tables", type=names_of(names), default=names)
    parser.add_argument("--steps", type=names_of(list(STEPS)), default=list(STEPS))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("RECSYS_NN_DATA", "data")))
    parser.add_argument("--log", type=Path, default=RESULTS / "suggest.jsonl")
    arguments = parser.parse_args()
    os.environ["RECSYS_NN_DATA"] = str(arguments.data.resolve())
    for step in arguments.steps:
        for name in arguments.tables:
            if step == "search" and name not in REAL:
                continue
            with tempfile.TemporaryDirectory() as folder:
                line = {"step": step, "table": name, **STEPS[step](table_of(name), Path(folder))}
            with arguments.log.open("a", encoding="utf-8") as log:
                log.write(json.dumps(line, default=float) + "\n")
            print({key: value for key, value in line.items() if key != "config"}, flush=True)
    arguments.log.with_suffix(".md").write_text(report(arguments.log), encoding="utf-8")


if __name__ == "__main__":
    main()

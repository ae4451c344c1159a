"""A loaded run that answers: predictions, lists with their reasons, searches."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_nn.data import Ratings, parse_ids
from recsys_nn.encoding import SOURCES, Side, source_codes, training_counts
from recsys_nn.errors import DataError
from recsys_nn.prediction import MANIFEST, Predictor
from recsys_nn.serving.limits import Limits
from recsys_nn.serving.lookup import Directory, Lookup, PairLookup, records_of
from recsys_nn.serving.reasons import Reasons
from recsys_nn.serving.schemas import Health, PredictQuestion, RecommendQuestion

MAX_CHOICES = 11
_SOURCES = np.array(SOURCES, dtype=object)


class ServedRun:
    """The run of a folder, ready to answer; answers are what ``orjson`` writes.

    Args:
        predictor: the predictor of the run.
        name: name of the run.
        revision: text that tells it from others that stood or will stand in its place.
        limits: limits of a request.
    """

    def __init__(self, predictor: Predictor, *, name: str, revision: str, limits: Limits) -> None:
        self.predictor = predictor
        self.name = name
        self.revision = revision
        self.limits = limits
        self.since = datetime.now(UTC)
        self._pairs = PairLookup(predictor.encoder)
        self._items = Lookup(predictor.encoder.items)
        self._reasons = Reasons(predictor, self._items)
        self._directories = {side: Directory(predictor.encoder, side) for side in predictor.encoder.vocabularies}
        self._warm_up()

    @classmethod
    def load(cls, folder: Path, limits: Limits) -> ServedRun:
        """Loads the run in a folder, or raises an ArtifactError that says why it cannot be used."""
        predictor = Predictor.load(folder)
        revision = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()[:12]
        return cls(predictor, name=folder.resolve().name, revision=revision, limits=limits)

    def _warm_up(self) -> None:
        """Has TensorFlow trace the model, before anybody waits for an answer."""
        encoder = self.predictor.encoder
        users, items = (ids.ids[:1].tolist() for ids in (encoder.users, encoder.items))
        self.predict(PredictQuestion(users=users, items=items, interval=0.9 if self.predictor.calibration else None))
        self.recommend(RecommendQuestion(users=users, n=1, exclude_seen=self.predictor.seen is not None, reasons=1))

    def health(self, refused: str | None) -> Health:
        """Description of the run; ``refused`` says why another in its folder is not used."""
        encoder, config = self.predictor.encoder, self.predictor.config
        return Health(
            run=self.name,
            revision=self.revision,
            kind=config.kind if config is not None else self.predictor.model.name,
            since=self.since.isoformat(timespec="seconds"),
            users=encoder.n_users,
            items=encoder.n_items,
            id_types=dict(encoder.id_types),
            scale=encoder.scale,
            context=list(encoder.context_columns),
            has_intervals=self.predictor.calibration is not None,
            keeps_ratings=self.predictor.seen is not None,
            refused=refused,
        )

    @property
    def choices(self) -> list[float]:
        """Ratings that a person may choose from: those given in training, or else a few over the whole scale."""
        encoder = self.predictor.encoder
        if encoder.levels is not None and len(encoder.levels) <= MAX_CHOICES:
            return list(encoder.levels)
        return np.linspace(*encoder.scale, MAX_CHOICES).tolist()

    def predict(self, question: PredictQuestion) -> dict[str, Any]:
        """The ``Predictions`` for a question.

        Raises:
            DataError: for more pairs than allowed, ids of another type than in training, and as of
                :meth:`Predictor.predict`.
        """
        users, items = question.columns()
        if len(users) > self.limits.pairs:
            raise DataError(f"a request may have at most {self.limits.pairs:,} pairs, not {len(users):,}")
        inputs = self._pairs.inputs(users, items, question.context)
        predictions = self.predictor.predict_rows(inputs)
        codes = source_codes(training_counts(self.predictor.encoder, inputs))
        answer = {"predictions": predictions, "sources": _SOURCES[codes].tolist(), "revision": self.revision}
        if question.interval is not None:
            lower, upper = self.predictor.row_intervals(inputs, predictions, question.interval)
            answer |= {"lower": lower, "upper": upper}
        return answer

    def recommend(self, question: RecommendQuestion) -> dict[str, Any]:
        """The ``Recommendations`` for a question.

        Raises:
            DataError: for more items than allowed, and as of :meth:`Predictor.recommend` and :meth:`Predictor.fold_in`.
        """
        predictor, users = self.predictor, question.users
        n_asked = question.n * (1 if users is None else len(users))
        if n_asked > self.limits.pairs:
            raise DataError(f"a request may ask for at most {self.limits.pairs:,} items, not {n_asked:,}")
        if question.ratings is not None:
            users, predictor = self._folded_in(question.ratings)
        assert users is not None
        table = predictor.recommend(
            list(dict.fromkeys(users)), question.n, exclude_seen=question.exclude_seen, candidates=question.candidates
        )
        rows_of: dict[Any, pd.DataFrame] = dict(iter(table.groupby("user", sort=False)))
        lists = [
            {
                "user": user if question.ratings is None else None,
                "items": self._items_of(predictor, user, rows_of.get(user, table[:0]), question.reasons),
            }
            for user in dict.fromkeys(users)
        ]
        return {"lists": lists, "revision": self.revision}

    def find(self, side: Side, text: str, n: int) -> list[dict[str, Any]]:
        """Finds users or items that have this text in their id or name."""
        return self._directories[side].find(text, n)

    def user_of(self, text: str) -> Any:
        """Parses the text of a user's id."""
        users = self.predictor.encoder.users
        return parse_ids(pd.Series([text], dtype="str"), users.type, users.name, lambda _: "user").tolist()[0]

    def _folded_in(self, ratings: list[tuple[int | str, float]]) -> tuple[list[Any], Predictor]:
        encoder = self.predictor.encoder
        user = encoder.users.unknown_id
        items, values = zip(*ratings, strict=True)
        for place, row in enumerate(self._items.rows(items)):
            if not row:
                raise DataError(f"ratings[{place}]: the item {items[place]!r} is unknown in training: leave it out")
        frame = pd.DataFrame({"user": user, "item": list(items), "rating": values})
        folded = self.predictor.fold_in(frame)
        return [user], folded if folded.seen is not None else folded.with_seen(Ratings(frame, scale=encoder.scale))

    def _items_of(self, predictor: Predictor, user: Any, rows: pd.DataFrame, n_reasons: int) -> list[dict[str, Any]]:
        named = rows if "name" in rows else rows.assign(name=rows["item"].astype("str"))
        records = records_of(named[["item", "name", "prediction", "source"]])
        reasons = self._reasons.of(predictor, user, rows["item"].tolist(), n_reasons)
        return [{**record, "reasons": why} for record, why in zip(records, reasons, strict=True)]

"""Outputs of a predictor beside predictions of pairs: lists, files, formats of other runtimes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from recsys_nn.prediction.core import PredictorCore

if TYPE_CHECKING:
    from recsys_nn.data import TableFormat
    from recsys_nn.prediction.batch.file import OnError, PredictedFile, Progress
    from recsys_nn.prediction.export.target import Format


class Outputs(PredictorCore):
    """Lists, files and exports of a predictor, each by the function of the method's name in a file of its own."""

    def predict_file(
        self,
        pairs: str | Path,
        output: str | Path,
        *,
        layout: TableFormat | Mapping[str, Any] | None = None,
        interval: float | None = None,
        on_error: OnError = "stop",
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> PredictedFile:
        """Predicts a file of pairs into a file, in memory that does not grow with them.

        The output has the rows of the input in their order, all of its columns as they are, and behind them those that
        :meth:`predict` adds: ``prediction``, ``source`` and, with an interval, ``lower`` and ``upper``. It is there
        when all is predicted, or not at all.

        Args:
            pairs: a text file (CSV, TSV, gzip too), a Parquet file, or a folder whose Parquet files have the same
                columns; what begins with a dot or an underscore is left out.
            output: the file to write: .csv, .tsv (either also .gz) or .parquet.
            layout: layout of the file, where that is not recognised, as ``{"user": "customer", "separator":
                ";"}``: as of :func:`load_ratings`.
            interval: share of the ratings that shall lie between ``lower`` and ``upper``, as 0.9.
            on_error: ``"stop"``, or ``"skip"`` to leave out rows that cannot be predicted; where they are, what is
                wrong with them and what they hold is then written beside the output (``out.parquet.skipped.csv``).
            overwrite: whether a file that stands at the output is replaced.
            progress: called after each part with the number of pairs so far and the share of the input that is done.

        Raises:
            DataError: as of :meth:`predict`, with the file and its line or row; where the output must not be written;
                where a column of the input has the name of one that is added.

        Example:
            >>> predictor.predict_file("pairs.csv", "predicted.csv").sources
            {'model': 2, 'item': 1}
        """
        from recsys_nn.prediction.batch.file import predict_file

        return predict_file(
            self,
            pairs,
            output,
            layout=layout,
            interval=interval,
            on_error=on_error,
            overwrite=overwrite,
            progress=progress,
        )

    def recommend(
        self,
        users: Any = None,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        candidates: Iterable[Any] | None = None,
    ) -> pd.DataFrame:
        """The n items with the highest predicted ratings for each user, exactly.

        Equal ratings at the end of the scale are told apart by the model's latent value; else the item whose id comes
        first. Ratings have no features here (no timestamp), as in :meth:`predict` for pairs without them.

        Args:
            users: a user's id or several; all users of the training where left out. For an unknown user the items are
                those that are rated highest.
            n: items a user; fewer where there are no more.
            exclude_seen: whether items that the user has rated are left out.
            candidates: ids of the items to choose from; all where left out.

        Returns:
            A DataFrame with the columns ``user``, ``rank`` (from 1), ``item``, ``name`` (where the items of the
            training had a column title or name), ``prediction`` and ``source`` as of :meth:`predict`, by user in the
            order asked for and by rank.

        Raises:
            DataError: where it is not known what the users have rated, and for candidates that training did not have.

        Example:
            >>> lists = predictor.recommend(["u0", "u1"], n=3)
            >>> lists.columns.tolist(), len(lists)
            (['user', 'rank', 'item', 'prediction', 'source'], 6)
            >>> sorted(lists.query("user == 'u0'")["item"])  # who likes even items
            ['i0', 'i12', 'i6']
        """
        from recsys_nn.prediction.lists.recommend import recommend

        return recommend(self, users, n, exclude_seen=exclude_seen, candidates=candidates)

    def similar_items(self, item: Any, n: int = 10) -> pd.DataFrame:
        """The items whose vectors are nearest to that of an item: cos(q_i, q_j) = q_i·q_j / (‖q_i‖ ‖q_j‖).

        Args:
            item: id of the item to compare.
            n: number to list; fewer where there are no more.

        Returns:
            A DataFrame with the columns ``item``, ``name`` (as of :meth:`recommend`) and ``similarity`` (from -1 to 1),
            the most similar first.

        Raises:
            DataError: where the model has no vectors, or the item none.

        Example:
            >>> sorted(predictor.similar_items("i0", n=7)["item"])  # the other even items
            ['i10', 'i12', 'i14', 'i2', 'i4', 'i6', 'i8']
        """
        from recsys_nn.prediction.lists.similar import similar

        return similar(self, "item", item, n)

    def similar_users(self, user: Any, n: int = 10) -> pd.DataFrame:
        """The users whose vectors are nearest to that of a user, by the columns ``user`` and ``similarity``.

        Args:
            user: id of the user to compare.
            n: number to list; fewer where there are no more.
        """
        from recsys_nn.prediction.lists.similar import similar

        return similar(self, "user", user, n)

    def seen_by(self, user: Any) -> pd.DataFrame:
        """The items that a user has rated, by the columns ``item``, ``name`` (as of :meth:`recommend`) and ``rating``.

        Args:
            user: id of the user asked for.

        Raises:
            DataError: where this predictor does not keep its ratings.
        """
        from recsys_nn.prediction.lists.similar import seen_by

        return seen_by(self, user)

    def export(self, path: str | Path, format: Format, *, overwrite: bool = False) -> Path:
        """Writes what other runtimes predict ratings with, from raw ids (see ``prediction/export/export.py``).

        Ratings have no features there and no time, as in :meth:`predict` for pairs without them.

        Args:
            path: path of the folder (savedmodel) or of the file.
            format: ``"savedmodel"`` for TensorFlow, ``"onnx"`` for onnxruntime, ``"litert"`` for LiteRT.
            overwrite: whether an exported model that already stands there is replaced.

        Raises:
            ConfigError: for another format, and where its converter is not installed.
            ArtifactError: where the format cannot hold the model, or the folder exists.
            DataError: where the file exists.

        Example:
            >>> predictor.export("exported", "savedmodel").name
            'exported'
        """
        from recsys_nn.prediction.export.export import export

        return export(self, path, format, overwrite=overwrite)

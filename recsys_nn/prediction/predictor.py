"""Raw ids in, a table of predictions out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from recsys_nn.data.ratings import Ratings
from recsys_nn.data.stream import RatingsStream
from recsys_nn.encoding.encoder import Encoder
from recsys_nn.encoding.seen import SeenRatings
from recsys_nn.encoding.sources import SOURCES, source_codes, training_counts
from recsys_nn.errors import Where, row_number
from recsys_nn.models.base import ModelConfig
from recsys_nn.prediction.arguments import asked_frame
from recsys_nn.prediction.intervals import Calibration
from recsys_nn.prediction.row_predictor import RowPredictor

if TYPE_CHECKING:
    import keras

    from recsys_nn.data.readers import TableFormat
    from recsys_nn.prediction.batch.file import OnError, PredictedFile, Progress
    from recsys_nn.prediction.export.target import Format
    from recsys_nn.training.config import TrainConfig


class Predictor(RowPredictor):
    """A trained model together with the encoder that its rows belong to.

    Args:
        model: a keras.Model, this package's or not, with the inputs ``user`` and ``item`` (int32 rows), or others of
            those that ``Encoder.encode_pairs`` gives.
        encoder: fitted on the model's training part.
        config: of the model, needed to save it; models of :func:`build_model` carry theirs.
        calibration: what its intervals rest on, where it has some; :meth:`calibrated` makes it.
        seen: the ratings that are known, where they are kept; :meth:`with_seen` takes them.
    """

    def __init__(
        self,
        model: keras.Model,
        encoder: Encoder,
        *,
        config: ModelConfig | None = None,
        calibration: Calibration | None = None,
        seen: SeenRatings | None = None,
    ) -> None:
        self.model = model
        self.encoder = encoder
        self.calibration = calibration
        self.seen = seen
        self.config: ModelConfig | None = config or getattr(model, "rating_config", None)

    def predict(
        self,
        pairs: pd.DataFrame | Ratings | Iterable[tuple[Any, Any]] | None = None,
        *,
        users: Any = None,
        items: Any = None,
        interval: float | None = None,
        where: Where = row_number,
    ) -> pd.DataFrame:
        """The predicted ratings of pairs, in their order.

        Args:
            pairs: a DataFrame with the columns user and item, Ratings, (user, item) tuples or an (n, 2) array. Where
                ratings have features (their timestamp, a device), a DataFrame may have these columns too; a column that
                it does not have is a missing value of each pair.
            users: instead of ``pairs``: an array of n user ids ...
            items: ... and one of n item ids.
            interval: the share of the ratings that shall lie between ``lower`` and ``upper``, as 0.9.
            where: names a row for error messages.

        Returns:
            A DataFrame with the columns ``user``, ``item``, ``prediction`` (within the rating scale) and
            ``source``: ``model`` (both were rated in training, or in a history), ``user`` (the item was not), ``item``
            (the user was not) or ``global`` (neither was). Features do not matter for it. With ``interval`` also
            ``lower`` and ``upper``, within the rating scale (see ``prediction/intervals.py``).

        Raises:
            DataError: for ids that would be known only after a cast from int to str or back, for values that are
                not of a feature's kind, and where an interval is asked of a predictor that is not calibrated.
        """
        asked, inputs = self._encoded(pairs, users, items, where)
        codes = source_codes(training_counts(self.encoder, inputs))
        source = pd.Categorical.from_codes(codes, categories=pd.Index(SOURCES))
        found = asked[["user", "item"]].assign(prediction=self.predict_rows(inputs), source=source)
        if interval is None:
            return found
        lower, upper = self.row_intervals(inputs, found["prediction"].to_numpy(), interval)
        return found.assign(lower=lower, upper=upper)

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
            layout: how the file is laid out, where that is not recognised, as ``{"user": "customer", "separator":
                ";"}``: as of :func:`load_ratings`.
            interval: as of :meth:`predict`.
            on_error: ``"stop"``, or ``"skip"`` to leave out rows that cannot be predicted; where they are, what is
                wrong with them and what they hold is then written beside the output (``out.parquet.skipped.csv``).
            overwrite: whether a file that stands at the output is replaced.
            progress: called after each part with the number of pairs so far and the share of the input that is done.

        Raises:
            DataError: as of :meth:`predict`, with the file and its line or row; where the output must not be written;
                where a column of the input has the name of one that is added.
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

    def calibrated(self, validation: Ratings) -> Self:
        """A predictor with intervals, calibrated on ratings that the model was not trained on.

        Args:
            validation: the more, the better; 1,000 give a coverage to within about one hundredth.

        Raises:
            DataError: where there are none, or their ids are not those of the training.
        """
        calibrated = copy(self)
        calibrated.calibration = Calibration.fit(self, validation)
        return calibrated

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
        """
        from recsys_nn.prediction.lists.recommend import recommend

        return recommend(self, users, n, exclude_seen=exclude_seen, candidates=candidates)

    def similar_items(self, item: Any, n: int = 10) -> pd.DataFrame:
        """The items whose vectors are nearest to that of an item: cos(q_i, q_j) = q_i·q_j / (‖q_i‖ ‖q_j‖).

        Args:
            item: its id.
            n: how many; fewer where there are no more.

        Returns:
            A DataFrame with the columns ``item``, ``name`` (as of :meth:`recommend`) and ``similarity`` (from -1 to 1),
            the most similar first.

        Raises:
            DataError: where the model has no vectors, or the item none.
        """
        from recsys_nn.prediction.lists.similar import similar

        return similar(self, "item", item, n)

    def similar_users(self, user: Any, n: int = 10) -> pd.DataFrame:
        """The same of users: a DataFrame with the columns ``user`` and ``similarity``.

        Args:
            user: the user's id.
            n: how many; fewer where there are no more.
        """
        from recsys_nn.prediction.lists.similar import similar

        return similar(self, "user", user, n)

    def seen_by(self, user: Any) -> pd.DataFrame:
        """What a user has rated, by the columns ``item``, ``name`` (as of :meth:`recommend`) and ``rating``.

        Args:
            user: the user's id.

        Raises:
            DataError: where this predictor does not keep its ratings.
        """
        from recsys_nn.prediction.lists.similar import seen_by

        return seen_by(self, user)

    def with_seen(self, *ratings: Ratings | RatingsStream) -> Predictor:
        """A predictor that knows what its users have rated, so that it need not be recommended.

        Args:
            ratings: of the training, and others; they take the place of those that are kept.
        """
        knowing = copy(self)
        knowing.seen = SeenRatings.of(self.encoder, (chunk.frame for each in ratings for chunk, _ in each.chunks()))
        return knowing

    def predict_probabilities(
        self,
        pairs: pd.DataFrame | Ratings | Iterable[tuple[Any, Any]] | None = None,
        *,
        users: Any = None,
        items: Any = None,
        where: Where = row_number,
    ) -> pd.DataFrame:
        """The probability of every possible rating, of a model with an ordinal, multi-class or binary head.

        Args:
            pairs: as of :meth:`predict`.
            users: instead of ``pairs``: an array of n user ids ...
            items: ... and one of n item ids.
            where: names a row for error messages.

        Returns:
            A DataFrame with the columns ``user``, ``item`` and one for each rating level, named by it (float), whose
            sum over a row is 1.

        Raises:
            DataError: where the model's head has no probabilities; else as :meth:`predict`.
        """
        asked, inputs = self._encoded(pairs, users, items, where)
        return pd.concat([asked[["user", "item"]], self.predict_row_probabilities(inputs)], axis=1)

    def with_history(self, history: pd.DataFrame | Ratings) -> Predictor:
        """A predictor that also knows new users by the items that they rated, and new items by their raters.

        A pair counts where one of its ids was not rated in training and the other was; others have no effect. This
        predictor stays as it is.

        Args:
            history: the columns user and item, and for the kind ``autorec`` the rating.

        Raises:
            DataError: where the model's kind keeps no rated-by sets, or no table of ratings takes the history.
        """
        from recsys_nn.prediction.new_ids.history import with_history

        return with_history(self, history)

    def fold_in(self, ratings: pd.DataFrame | Ratings) -> Predictor:
        """A predictor that also knows new users by their ratings, and new items by theirs, without retraining.

        What a new id has of its own, its vectors and its bias, is fitted to its ratings, in closed form where the model
        is linear in it; all else stays as it was trained (see ``prediction/new_ids/fold_in.py``). Ratings of two known
        ids, and of two new ones, have no effect. This predictor stays as it is.

        Args:
            ratings: the columns user, item and rating, and those that the model reads beside them (a timestamp).

        Raises:
            DataError: where none of the ratings says anything of a new id, and for what is no table of ratings.
        """
        from recsys_nn.prediction.new_ids.fold_in import fold_in

        return fold_in(self, ratings)

    def update(
        self, ratings: pd.DataFrame | Ratings, *, training: TrainConfig | None = None, progress: bool = False
    ) -> Predictor:
        """A predictor that has gone on training, on the ratings that it keeps and new ones, of known and new ids.

        New ids begin with the rows that :meth:`fold_in` gives them; a new rating of a known pair replaces the old one.
        Scale, mean, side features and the calibration of intervals stay as they were; kept ratings have no timestamp.
        This predictor stays as it is.

        Args:
            ratings: as of :meth:`fold_in`.
            training: the Trainer's settings; a random part of all ratings is held out by its ``validation``.
            progress: whether to print a line an epoch.

        Raises:
            DataError: where the ratings of the training are not kept, and of an average over many weights.
        """
        from recsys_nn.prediction.new_ids.update import update

        return update(self, ratings, training, progress=progress)

    def __copy__(self) -> Self:
        """A predictor of the same network, with the functions that are traced already."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and deeply copied as what :meth:`save` writes; the kind must be registered where it is loaded."""
        from recsys_nn.prediction.pickling import from_files, to_files

        return from_files, (to_files(self),)

    def _encoded(self, pairs: Any, users: Any, items: Any, where: Where) -> tuple[pd.DataFrame, dict[str, Any]]:
        asked = asked_frame(pairs, users, items)
        return asked, self.encoder.encode_pairs(asked["user"], asked["item"], context=asked, where=where)

    def export(self, path: str | Path, format: Format, *, overwrite: bool = False) -> Path:
        """Writes what other runtimes predict ratings with, from raw ids (see ``prediction/export/export.py``).

        Ratings have no features there and no time, as in :meth:`predict` for pairs without them.

        Args:
            path: of the folder (savedmodel) or of the file.
            format: ``"savedmodel"`` for TensorFlow, ``"onnx"`` for onnxruntime, ``"litert"`` for LiteRT.
            overwrite: whether an exported model that already stands there is replaced.

        Raises:
            ConfigError: for another format, and where its converter is not installed.
            ArtifactError: where the format cannot hold the model, or the folder exists.
            DataError: where the file exists.
        """
        from recsys_nn.prediction.export.export import export

        return export(self, path, format, overwrite=overwrite)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Writes the run folder that :meth:`load` reads (see ``prediction/saving/folder.py``).

        Raises:
            ArtifactError: where the folder exists, or the model's kind is not registered.
        """
        from recsys_nn.prediction.saving.folder import write_run_folder

        return write_run_folder(path, self, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path, *, manifest_sha256: str | None = None) -> Predictor:
        """The predictor of a run folder; needs no training data and executes nothing from the folder.

        Args:
            path: of the folder.
            manifest_sha256: that its manifest.json has to have. The manifest states the SHA-256 of every other file, so
                damage is found without it; that nobody has changed the run is known only by a hash that did not come
                with it (``sha256sum manifest.json`` where it was saved).

        Raises:
            ArtifactError: naming the file that is missing, damaged, foreign or of a newer format.
        """
        from recsys_nn.prediction.saving.folder import read_run_folder

        return read_run_folder(path, manifest_sha256=manifest_sha256)

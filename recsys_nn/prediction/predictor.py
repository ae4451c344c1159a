"""Raw ids in, a table of predictions out: a trained model, and a blend of several."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from recsys_nn.data import Ratings, RatingsStream
from recsys_nn.encoding import JointEncoder, SeenRatings
from recsys_nn.errors import ArtifactError, DataError
from recsys_nn.prediction.held_out import calibration_on
from recsys_nn.prediction.intervals import Calibration
from recsys_nn.prediction.outputs import Outputs
from recsys_nn.prediction.saving.folder import rebuilt_model, write_blend_folder, write_run_folder
from recsys_nn.prediction.saving.manifest import MANIFEST, files_in
from recsys_nn.prediction.saving.parts import BlendParts, RunParts, read_parts

if TYPE_CHECKING:
    from recsys_nn.training import TrainConfig


class Predictor(Outputs):
    """A trained model together with the encoder that its rows belong to.

    Args:
        model: a keras.Model, this package's or not, with the inputs ``user`` and ``item`` (int32 rows), or others of
            those that ``Encoder.encode_pairs`` gives.
        encoder: encoder fitted on the model's training part.
        config: config of the model, needed to save it; models of :func:`build_model` carry theirs.
        calibration: calibration of its intervals, where it has some; :meth:`calibrated` makes it.
        seen: the ratings that are known, where they are kept; :meth:`with_seen` takes them.

    Example:
        >>> predictor = rn.Predictor.load("runs/svd")
        >>> predictor.predict([("u0", "i0"), ("u0", "i9"), ("u0", "new")]).round()
          user item  prediction source
        0   u0   i0         4.0  model
        1   u0   i9         2.0  model
        2   u0  new         3.0   user
    """

    def calibrated(self, validation: Ratings) -> Self:
        """A predictor with intervals, calibrated on ratings that the model was not trained on.

        Args:
            validation: ratings to calibrate on; the more, the better: 1,000 give a coverage to about one hundredth.

        Raises:
            DataError: where there are none, or their ids are not those of the training.

        Example:
            >>> plain = rn.Predictor(predictor.model, predictor.encoder)
            >>> plain.calibrated(split.validation).predict([("u0", "i0")], interval=0.9).columns.tolist()
            ['user', 'item', 'prediction', 'source', 'lower', 'upper']
        """
        calibrated = copy(self)
        calibrated.calibration = calibration_on(self, validation)
        return calibrated

    def with_seen(self, *ratings: Ratings | RatingsStream) -> Predictor:
        """A predictor that knows what its users have rated, so that it need not be recommended.

        Args:
            ratings: ratings of the training, and others; they take the place of those that are kept.

        Example:
            >>> plain = rn.Predictor(predictor.model, predictor.encoder)
            >>> sorted(plain.with_seen(ratings).recommend("u0", n=100)["item"])  # the five items that u0 has not rated
            ['i0', 'i12', 'i3', 'i6', 'i9']
        """
        knowing = copy(self)
        knowing.seen = SeenRatings.of(self.encoder, (chunk.frame for each in ratings for chunk, _ in each.chunks()))
        return knowing

    def with_history(self, history: pd.DataFrame | Ratings) -> Predictor:
        """A predictor that also knows new users by the items that they rated, and new items by their raters.

        A pair counts where one of its ids was not rated in training and the other was; others have no effect. This
        predictor stays as it is.

        Args:
            history: the columns user and item, and for the kind ``autorec`` the rating.

        Raises:
            DataError: where the model's kind keeps no rated-by sets, or no table of ratings takes the history.

        Example:
            >>> import pandas as pd
            >>> history = pd.DataFrame({"user": ["new", "new"], "item": ["i0", "i2"]})
            >>> predictor = rn.Predictor(rn.build_model(rn.SVDPPConfig(), encoder), encoder).with_history(history)
            >>> predictor.predict([("new", "i4"), ("newer", "i4")])["source"].tolist()
            ['model', 'item']
        """
        from recsys_nn.prediction.new_ids.extend import with_history

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

        Example:
            >>> import pandas as pd
            >>> first = pd.DataFrame({"user": ["new"] * 4, "item": ["i0", "i1", "i2", "i3"], "rating": [1, 4, 1, 5]})
            >>> sorted(predictor.fold_in(first).recommend("new", n=3)["item"])  # likes odd items
            ['i11', 'i5', 'i9']
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
            ratings: the columns user, item and rating, and those that the model reads beside them.
            training: the Trainer's settings; a random part of all ratings is held out by its ``validation``.
            progress: whether to print a line an epoch.

        Raises:
            DataError: where the ratings of the training are not kept, and of an average over many weights.

        Example:
            >>> import pandas as pd
            >>> week = pd.DataFrame({"user": ["u0", "new"], "item": ["i0", "i0"], "rating": [5, 4]})
            >>> updated = predictor.update(week, training=rn.TrainConfig(epochs=1))
            >>> updated.encoder.n_users, len(updated.seen_by("new"))
            (31, 1)
        """
        from recsys_nn.prediction.new_ids.update import update

        return update(self, ratings, training, progress=progress)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Writes the run folder that :meth:`load` reads (see ``prediction/saving/folder.py``).

        Raises:
            ArtifactError: where the folder exists, or the model's kind is not registered.

        Example:
            >>> rn.Predictor(rn.build_model(rn.SVDConfig(), encoder), encoder).save("runs/untrained").name
            'untrained'
        """
        return write_run_folder(path, self, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path, *, manifest_sha256: str | None = None) -> Predictor:
        """Loads the predictor of a run folder; needs no training data and executes nothing from the folder.

        Args:
            path: path of the run folder.
            manifest_sha256: SHA-256 that its manifest.json must have. The manifest states that of every other file, so
                damage is found without it; that nobody has changed the run is known only by a hash that did not come
                with it (``sha256sum manifest.json`` where it was saved).

        Raises:
            ArtifactError: naming the file that is missing, damaged, foreign or of a newer format.
        """
        return predictor_of(read_parts(Path(path), sha256=manifest_sha256))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles (and deeply copies) the files that :meth:`save` writes; loading them needs the kind registered."""
        return _from_files, (_to_files(self),)


class BlendedPredictor(Predictor):
    """Predicts r̂ = μ + Σ_k w_k (r̂_k − μ), clipped to the rating scale; μ is the mean of the training ratings.

    Its ``source``, counts and baselines are those of its first member. It gives no probabilities.

    Args:
        members: predictors by name, trained on the same ratings; their features may differ.
        weights: weight w_k of each member, by name.
        calibration: calibration of its intervals, where it has some; :meth:`calibrated` makes it.

    Raises:
        DataError: where the members were not trained on the same ratings.
    """

    def __init__(
        self,
        members: Mapping[str, Predictor],
        weights: Mapping[str, float],
        *,
        calibration: Calibration | None = None,
    ) -> None:
        from recsys_nn.models import BlendedModel

        encoder = JointEncoder.of({name: member.encoder for name, member in members.items()})
        model = BlendedModel(
            [(member.model, member.input_names) for member in members.values()],
            [weights[name] for name in members],
            mean=encoder.rating_mean,
            scale=encoder.scale,
        )
        seen = next((member.seen for member in members.values()), None)
        super().__init__(model, encoder, calibration=calibration, seen=seen)
        self.members = dict(members)
        self.weights = {name: float(weights[name]) for name in members}

    def with_history(self, history: pd.DataFrame | Ratings) -> BlendedPredictor:
        """The blend of the members that also know these ids (:meth:`Predictor.with_history`).

        Args:
            history: the columns user and item, and for the kind ``autorec`` the rating.

        Raises:
            DataError: naming a member whose kind takes no history.
        """
        return self._of(lambda member: member.with_history(history))

    def fold_in(self, ratings: pd.DataFrame | Ratings) -> BlendedPredictor:
        """The blend of the members that also know these ids (:meth:`Predictor.fold_in`); its weights stay.

        Args:
            ratings: the columns user, item and rating, and those that a member reads beside them.

        Raises:
            DataError: naming a member that cannot.
        """
        return self._of(lambda member: member.fold_in(ratings))

    def update(
        self, ratings: pd.DataFrame | Ratings, *, training: TrainConfig | None = None, progress: bool = False
    ) -> BlendedPredictor:
        """The blend of the members that have gone on training (:meth:`Predictor.update`); its weights stay.

        Args:
            ratings: the columns user, item and rating, and those that a member reads beside them.
            training: the Trainer's settings, for every member.
            progress: whether to print a line an epoch.

        Raises:
            DataError: naming a member that cannot.
        """
        return self._of(lambda member: member.update(ratings, training=training, progress=progress))

    def with_seen(self, *ratings: Ratings | RatingsStream) -> BlendedPredictor:
        """The blend of the members that know what their users have rated (:meth:`Predictor.with_seen`).

        Args:
            ratings: ratings of the training, and others; they take the place of those that are kept.
        """
        return self._of(lambda member: member.with_seen(*ratings))

    def _of(self, change: Callable[[Predictor], Predictor]) -> BlendedPredictor:
        """The blend of changed members; a DataError of one of them names it."""
        changed = {}
        for name, member in self.members.items():
            try:
                changed[name] = change(member)
            except DataError as error:
                raise DataError(f"{name}: {error}") from error
        return BlendedPredictor(changed, self.weights, calibration=self.calibration)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Writes the run folder that :meth:`Predictor.load` reads (see ``prediction/saving/folder.py``).

        Raises:
            ArtifactError: where the folder exists, or the kind of a member's model is not registered.
        """
        members = {name: member.save for name, member in self.members.items()}
        return write_blend_folder(path, self, members, self.weights, overwrite=overwrite)


def predictor_of(parts: RunParts | BlendParts) -> Predictor:
    """The predictor that is made of the parts of a run folder.

    Raises:
        ArtifactError: where its network cannot be built of them, or members do not belong together.
    """
    if isinstance(parts, RunParts):
        model = rebuilt_model(parts)
        return Predictor(model, parts.encoder, config=parts.config, calibration=parts.calibration, seen=parts.seen)
    members = {name: predictor_of(member) for name, member in parts.members.items()}
    try:
        blend = BlendedPredictor(members, parts.weights, calibration=parts.calibration)
    except DataError as error:
        raise ArtifactError(f"{parts.folder} is damaged: its members do not belong together: {error}") from error
    if parts.sizes != (blend.encoder.n_users, blend.encoder.n_items):
        raise ArtifactError(f"{parts.folder} is damaged: its members do not have the sizes that {MANIFEST} states")
    return blend


def _to_files(predictor: Predictor) -> dict[str, bytes]:
    """The files of the predictor's run folder, by their paths in it.

    Raises:
        ArtifactError: where it cannot be saved.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = predictor.save(Path(folder) / "run")
        return {name: (run / name).read_bytes() for name in sorted(files_in(run))}


def _from_files(files: Mapping[str, bytes]) -> Predictor:
    """The predictor whose run folder has these files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            file = Path(folder) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return Predictor.load(folder)

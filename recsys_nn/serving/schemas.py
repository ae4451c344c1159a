"""Requests and answers of the service, as pydantic reads and documents them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from recsys_nn.data import IdType

Id = int | str
Ids = Annotated[list[int], Field(fail_fast=True)] | Annotated[list[str], Field(fail_fast=True)]
Source = Literal["model", "user", "item", "global"]


class Question(BaseModel):
    """Base of request bodies: JSON whose values are taken as they are, without unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class PredictQuestion(Question):
    """Pairs of users and items, as two columns or as a list of pairs; ids are of the type that they had in training."""

    users: Ids | None = Field(
        default=None,
        description="Ids of the users of n pairs, given with items and instead of pairs",
        examples=[["196"]],
    )
    items: Ids | None = Field(default=None, description="Ids of the items of n pairs", examples=[["242"]])
    pairs: list[tuple[Id, Id]] | None = Field(
        default=None, description="List of n pairs [user, item], instead of users and items"
    )
    interval: float | None = Field(
        default=None, gt=0, lt=1, description="Share of the ratings that shall lie between lower and upper, such as 0.9"
    )
    context: dict[str, list[int | float | str | None]] | None = Field(
        default=None, description="Columns that the model reads beside the ids, such as timestamp, with n values each"
    )

    @model_validator(mode="after")
    def _are_pairs(self) -> PredictQuestion:
        if (self.pairs is None) == (self.users is None and self.items is None):
            raise ValueError("give either pairs, or users and items, not both")
        if self.pairs is None and (self.users is None or self.items is None):
            raise ValueError("users and items must be given together")
        return self

    def columns(self) -> tuple[list[Any], list[Any]]:
        """The users and the items of the pairs, as two lists."""
        if self.pairs is not None:
            return [user for user, _ in self.pairs], [item for _, item in self.pairs]
        assert self.users is not None
        assert self.items is not None
        return self.users, self.items


class RecommendQuestion(Question):
    """Users to recommend items to, by their ids, or one new person by a few ratings."""

    users: Ids | None = Field(default=None, description="Ids of the users, who get one list each", examples=[["196"]])
    ratings: list[tuple[Id, float]] | None = Field(
        default=None, min_length=1, description="Ratings of a new person as pairs [item, rating], instead of users"
    )
    n: int = Field(default=10, ge=1, description="Number of items in a list")
    exclude_seen: bool = Field(default=True, description="Whether to leave out items that the user has rated")
    candidates: Ids | None = Field(default=None, description="Ids of the items to choose from; by default all")
    reasons: int = Field(
        default=0, ge=0, le=10, description="Largest number of the user's own items that explain a recommendation"
    )

    @model_validator(mode="after")
    def _is_for_somebody(self) -> RecommendQuestion:
        if (self.users is None) == (self.ratings is None):
            raise ValueError("give either users or ratings, not both")
        if self.ratings is not None and len({item for item, _ in self.ratings}) < len(self.ratings):
            raise ValueError("ratings must name each item once")
        return self


class Predictions(BaseModel):
    """Predicted ratings, a value for each pair, in the order of the pairs."""

    predictions: list[float] = Field(description="Predicted ratings, within the scale")
    sources: list[Source] = Field(
        description="Source of each prediction: model where both ids are known, else user, item or global"
    )
    lower: list[float] | None = Field(default=None, description="Lower ends of the intervals, where interval was given")
    upper: list[float] | None = Field(default=None, description="Upper ends of the intervals, where interval was given")
    revision: str = Field(description="Revision of the run that answered, as /health gives it")


class Reason(BaseModel):
    """Reason for a recommendation: one of the user's own well-rated items."""

    item: Id
    name: str
    rating: float
    similarity: float = Field(description="Cosine of the vectors of the two items")


class Recommended(BaseModel):
    """An item of a list."""

    item: Id
    name: str = Field(description="Name of the item, or its id where the run knows no names")
    prediction: float
    source: Source
    reasons: list[Reason] = Field(description="Items that the user rated well, the most similar first")


class RecommendedList(BaseModel):
    """The list of one user, the best first."""

    user: Id | None = Field(description="Id of the user; null for a new person")
    items: list[Recommended]


class Recommendations(BaseModel):
    """Lists of recommended items, one for each user."""

    lists: list[RecommendedList]
    revision: str = Field(description="Revision of the run that answered, as /health gives it")


class Found(BaseModel):
    """A user or an item that a search has found."""

    id: Id
    name: str
    ratings: int = Field(description="Number of its ratings in training")


class Health(BaseModel):
    """The run that answers."""

    status: Literal["ok"] = "ok"
    run: str
    revision: str = Field(description="Revision of the run folder: the beginning of the SHA-256 of its manifest")
    kind: str
    since: str = Field(description="Time at which the run was loaded (ISO 8601)")
    users: int
    items: int
    id_types: dict[str, IdType]
    scale: tuple[float, float]
    context: list[str] = Field(description="Columns that the model reads beside the ids")
    has_intervals: bool
    keeps_ratings: bool = Field(description="Whether the run knows what its users have rated")
    refused: str | None = Field(description="Reason why a newer run folder could not be loaded; null where it could")


class Problem(BaseModel):
    """One problem of a request: its place, message and kind."""

    loc: list[str | int]
    msg: str
    type: str


class Problems(BaseModel):
    """All that is wrong with a request."""

    detail: list[Problem]


Asked = TypeVar("Asked", bound=Question)


def read(question: type[Asked], body: bytes) -> Asked:
    """Reads the question in a body, straight from its bytes.

    Raises:
        RequestValidationError: which becomes the answer 422.
    """
    try:
        return question.model_validate_json(body)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from None


def problems(error: RequestValidationError) -> Problems:
    """Merges pydantic's errors into one problem a place: it names each type that a value could have had, and is not."""
    places: dict[tuple[str | int, ...], Problem] = {}
    for found in error.errors():
        loc = found["loc"] if found["loc"][:1] in (("query",), ("body",)) else ("body", *found["loc"])
        message = found["msg"].removeprefix("Value error, ")
        if lists := [place for place, step in enumerate(loc) if str(step).endswith(_LISTS)]:
            loc, message = loc[: lists[0]], "Input should be a list of integers or a list of strings"
        elif loc[-1] in _ONE_OF:
            loc = loc[:-1]
            message = f"{places[loc].msg} or {message.removeprefix('Input should be ')}" if loc in places else message
        places[loc] = Problem(loc=list(loc), msg=message, type=found["type"])
    return Problems(detail=list(places.values()))


_LISTS = ("list[int]", "list[str]")
_ONE_OF = ("int", "float", "str")

"""Tells type checkers which types a field of a config takes beside the one that it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

Held = TypeVar("Held")
Given = TypeVar("Given")

if TYPE_CHECKING:

    class Accepts(Generic[Held, Given]):
        """A field that holds the first type, and makes one of the second where that is given.

        pydantic does so by the field's validator and knows the first type alone. To type checkers it is a descriptor,
        whose ``__set__`` says what the constructor takes; so a default has to be ``Any``.
        """

        def __get__(self, config: object, owner: Any) -> Held: ...
        def __set__(self, config: object, given: Held | Given) -> None: ...

else:

    class Accepts:
        """Stand-in at run time, where ``Accepts[Held, Given]`` is ``Held``."""

        def __class_getitem__(cls, types: tuple[Any, Any]) -> Any:
            return types[0]


def default(value: Any) -> Any:
    """Returns the default of an :class:`Accepts` field, which type checkers want to be ``Any``."""
    return value

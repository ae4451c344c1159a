"""Columns of a table by their roles: the users, the items, the ratings, the times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recsys_nn.errors import DataError

_ALIASES = {
    "user": ("user", "userid", "uid", "customer", "customerid", "reviewerid"),
    "item": ("item", "itemid", "iid", "movie", "movieid", "product", "productid", "book", "bookid", "isbn", "asin"),
    "rating": ("rating", "ratings", "score", "stars", "bookrating", "overall"),
    "timestamp": ("timestamp", "time", "date", "datetime", "unixreviewtime"),
}
_UNNAMED = ("user", "item", "rating", "timestamp")


def chosen_columns(
    names: Sequence[str],
    asked: Mapping[str, str | int | None],
    *,
    required: tuple[str, ...],
    table: str,
    header: bool = True,
) -> dict[str, int]:
    """The position of the column for each role; an optional role for which there is none is left out.

    Args:
        names: names of the table's columns, in their order.
        asked: column's name for each role (user, item, rating, timestamp) or, where no column has that name,
            its position; None for one whose name is usual.
        required: the roles that must have a column.
        table: name of the table, for the error.
        header: whether the table has names of its own; without, its columns stand in the usual order.

    Raises:
        DataError: where a role has no column or may have several, or two roles would share one.
    """
    chosen: dict[str, int] = {}
    for role, given in asked.items():
        position = _position(names, role, given, role in required, table, header)
        if position is None:
            continue
        for other, taken in chosen.items():
            if taken == position:
                raise DataError(
                    f"{table}: the column {names[position]!r} would be both {other} and {role}; "
                    f"say which column is the {role}"
                )
        chosen[role] = position
    return chosen


def _position(
    names: Sequence[str], role: str, given: str | int | None, required: bool, table: str, header: bool
) -> int | None:
    if given is not None:
        named = [k for k, name in enumerate(names) if name == str(given)]
        if not named and isinstance(given, int) and 0 <= given < len(names):
            return given
        return _only(names, role, named, f"no column {given!r}", table)
    if not header:
        return _usual_position(names, role, required, table)
    named = [k for k, name in enumerate(names) if name == role]
    fitting = named or [k for k, name in enumerate(names) if _plain(name) in _ALIASES[role]]
    return _only(names, role, fitting, "no column", table) if fitting or required else None


def _usual_position(names: Sequence[str], role: str, required: bool, table: str) -> int | None:
    position = _UNNAMED.index(role)
    if position < len(names) <= len(_UNNAMED):
        return position
    if required:
        raise DataError(
            f"{table} has no header and {len(names)} columns; say which is the {role} by its position, "
            f"for example {role}={position}"
        )
    return None


def _only(names: Sequence[str], role: str, positions: list[int], none: str, table: str) -> int:
    if len(positions) == 1:
        return positions[0]
    problem = f"more than one column that may be the {role}" if positions else f"{none} for the {role}"
    listed = ", ".join(map(repr, names))
    raise DataError(f"{table}: {problem} among {listed}; name it with {role}='...'")


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())

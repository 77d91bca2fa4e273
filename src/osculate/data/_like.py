"""What a second table must share with the first: names and units."""

from collections.abc import Mapping, Sequence

from osculate.core import InputError

from ._headers import hint, listed, split_unit
from ._table import Table
from ._units import same_unit


def check_names(
    source: str, names: Sequence[str], wanted: Sequence[str], whose: str
) -> None:
    """Raises where a column that is needed is missing, or stands twice.

    Args:
        source: The second table.
        names: Names of its columns, without units.
        wanted: The names needed.
        whose: Where they come from, such as `"input of the model"`.

    Raises:
        InputError: If there is not one such column.
    """
    for name in wanted:
        if names.count(name) != 1:
            came = f"{names.count(name)} columns" if name in names else "no column"
            raise InputError(
                f"{source}: {came} {name!r}; the columns are {listed(names)}."
                f"{'' if name in names else hint(name, names)}\n"
                f"Expected every {whose} once: {listed(wanted)}.\n"
                "Correct the header."
            )


def check_units(
    source: str, headers: Mapping[str, str], units: Mapping[str, str], whose: str
) -> None:
    """Raises where a column states another unit than the first table does.

    A unit that either of them leaves out is not compared, nor is its spelling.

    Args:
        source: The second table.
        headers: Header of each of its columns, by name.
        units: Unit of each column of the first, by name.
        whose: What to call the first.

    Raises:
        InputError: If two units differ.
    """
    for name, header in headers.items():
        came, expected = split_unit(header)[1], units.get(name, "")
        if came and expected and not same_unit(came, expected):
            raise InputError(
                f"{source}, column {header!r}: the unit is {came!r}; expected "
                f"{expected!r}, as in {whose}.\n"
                "Convert the column, or correct the unit in its header."
            )


def check_like(table: Table, like: Table) -> None:
    """Raises where two tables of the same roles state different units.

    Args:
        table: The second table.
        like: The first.

    Raises:
        InputError: If the units of a column, derivatives included, differ.
    """
    units = {name: split_unit(header)[1] for name, header in like.headers.items()}
    check_units(table.name, table.headers, units, like.name)

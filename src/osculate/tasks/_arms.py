"""The fits of the job: by the family that predicts best, and with values only."""

from typing import NamedTuple

from jaxtyping import Bool
from numpy import ndarray

from osculate.data import Table

from ._arm import Arm
from ._budget import parse_budget
from ._build import folds, scales_of
from ._compare import Compared, compare, is_compared
from ._journal import Journal
from ._networks import Judged, Networks
from ._process import Processes
from ._settings import Settings


class Arms(NamedTuple):
    """The arms of the family that ships.

    Attributes:
        main: Fitted to all that is known.
        values_only: Fitted to values, if asked for.
        held_out: Rows that were held out of the searches.
        is_network: Whether it is a network; else a process.
        parameters: Numbers that were found.
        model: What it is, in words.
        optimizer: How it was found, in words.
        why: The reason for that, in words.
        judged: Ensembles and rows that each was not fitted to; else none.
        compared: Held-out errors of both families, where both were tried.
    """

    main: Arm
    values_only: Arm | None
    held_out: Bool[ndarray, " N"]
    is_network: bool
    parameters: int
    model: str
    optimizer: str
    why: str
    judged: list[Judged]
    compared: Compared | None


def fit_arms(journal: Journal, settings: Settings, table: Table) -> Arms:
    """Fits a table; under x64.

    Args:
        journal: Runs and remembers the fits.
        settings: The choices.
        table: What is known.

    Returns:
        The fits.

    Raises:
        InputError: If a process is asked for and cannot be conditioned on the table.
    """
    rows = folds(table, settings)
    scales = scales_of(table, ~rows[0])
    networks = Networks(journal, settings, table, scales)
    processes = Processes(table)
    compared, chosen = None, settings.model
    if chosen == "auto" and is_compared(table, settings):
        in_steps = parse_budget(settings.budget).steps is not None
        tried = rows if in_steps else rows[:1]
        compared = compare(networks, processes, table, tried, scales)
        chosen = compared.best
    family = processes if chosen == "process" else networks
    main = family.main(rows[0])
    asked = settings.compare and len(table.y) > 1
    values_only = family.values_only(rows[0], main) if asked else None
    return Arms(
        main,
        values_only,
        rows[0],
        family is networks,
        *family.words(main),
        judged=networks.judged_members(rows, main),
        compared=compared,
    )

"""What a saved run says, as a table for a smaller network."""

import dataclasses
from pathlib import Path
from typing import Any

from osculate import data, match, nets
from osculate.core import InputError

from ._load import load_surrogate

NARROWEST = 4


def lesson(
    teacher: str | Path, points: Any = None
) -> tuple[data.Table, dict[str, Any]]:
    """Returns the values and slopes of a saved run, and choices for its student.

    Args:
        teacher: The folder of a run, or a table of values and slopes, which is only
            read.
        points: Where the run is asked: a table with its input columns, or the path of
            one; by default the points that it was fitted to.

    Returns:
        The table, and choices of `surrogate`: the depth of the run and half its width.

    Raises:
        InputError: If there is no finished run or table, or points for a table.
    """
    if not Path(teacher).is_dir():
        if points is not None:
            raise InputError(
                f"{teacher}: is a table, which has points of its own.\n"
                "Leave --points out, or give the folder of a run."
            )
        return data.read(teacher), {}
    run = load_surrogate(teacher)
    units = run.recipe["data"]["units"]
    titled = lambda names: [f"{n} [{units[n]}]" if units.get(n) else n for n in names]
    if points is None:
        x = run.page.training_x
    else:
        x = data.read_points(points, run.inputs, units=units)
    value, slopes = run.jet(x, 1)
    table = data.table(
        x,
        value,
        jacobian=slopes,
        inputs=titled(run.inputs),
        outputs=titled(run.outputs),
    )
    return dataclasses.replace(table, name=str(teacher)), _smaller(run.result.value.net)


def _smaller(net: Any) -> dict[str, Any]:
    """Returns depth and half the width of a network; of a process nothing."""
    if isinstance(net, match.GaussianProcess):
        return {}
    one = net.members if isinstance(net, nets.Ensemble) else net
    weights = one.net.weights
    width = max(NARROWEST, weights[0].shape[-2] // 2)
    return {"width": width, "depth": len(weights) - 1}

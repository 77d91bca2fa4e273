"""Do a table's derivatives agree with differences of its values?"""

from osculate.diff import TENSORS

from ._equations import columns_of, equations
from ._repairs import best_repair
from ._suspicion import Suspicion
from ._table import Table

MOST_INPUTS = 24  # with more, second derivatives are too many to look at


def check_derivatives(table: Table) -> list[Suspicion]:
    """Returns the derivative columns that look swapped, negated or rescaled.

    Where there are as many outputs as inputs, also whether all first derivatives look
    transposed, which their shape cannot tell.

    Values are compared with the derivatives by the trapezoid rule between near
    neighbours, first derivatives with the second ones likewise. A column is suspect
    only if one of these repairs cuts the misfit at least tenfold, so noise and
    kinks raise no alarm. Where too little is known to judge, nothing is said.

    Cost: at most 2000 rows and 4000 pairs of them are looked at; second derivatives
    by up to 24 inputs.

    Args:
        table: Any table.

    Returns:
        The suspicions; empty where all is well, or there are no derivatives.
    """
    found = []
    highest = 2 if len(table.inputs) <= MOST_INPUTS else 1
    columns = columns_of(table, highest)
    for order in range(1, highest + 1):
        if not {TENSORS[order - 1], TENSORS[order]} <= table.y.keys():
            continue
        predicted = list(equations(table, columns, order))
        square = order == 1 and len(predicted) == len(table.outputs)
        square &= len(table.outputs) == len(table.inputs)
        for _ in range(2 * sum(len(equation.names) for equation in predicted)):
            repair = best_repair(predicted, columns, square=square)
            if repair is None:
                break
            found += repair.faults
            columns |= repair.columns
    return found

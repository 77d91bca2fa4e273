"""Tables from modules of PyTorch, differentiated exactly."""

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from osculate.core import InputError, require

from ._exact import check_exact, table_of_tensors
from ._outputs import (
    checked_chunk,
    checked_order,
    checked_points,
    output_names,
    split_outputs,
)
from ._table import Table

CHUNK = 512  # rows at a time
TRIED = 8  # rows that are looked at alone
ALIKE = {"float64": 1e-9, "float32": 1e-4}  # of a row alone and among others


def from_torch(
    module: Callable[[Any], Any],
    x: ArrayLike,
    *,
    order: int = 1,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    chunk: int = CHUNK,
    dtype: str = "float64",
) -> Table:
    """Returns the values and exact derivatives of a PyTorch module at points.

    A copy of the module is put into evaluation mode and cast to `dtype`; the module
    itself is not touched. Rows are independent in that mode (which is checked), so the
    gradient of one output summed over the rows holds the gradients of all rows: one
    reverse pass per output, for whatever `autograd` can follow, scripted modules
    included. With more than twice as many outputs as inputs the Jacobian is taken by
    `torch.func`, forward, where the module allows it.

    Cost: for each chunk min(M, 2 D) passes at order 1, and M D more at order 2.

    Args:
        module: A `torch.nn.Module`, or any function of PyTorch, of a batch `(N, D)` to
            `(N,)`, `(N, M)`, any other shape, or a dictionary of these.
        x: Points `(N, D)`, or images and the like, `(N, ...)`, as the module takes
            them; D is then the number of numbers in each.
        order: Highest derivatives wanted, 0 to 2.
        inputs: Names of the inputs, perhaps with units.
        outputs: Names of the outputs, likewise.
        chunk: Rows at a time; 1 for a module that mixes rows or branches on values.
        dtype: `"float64"`, or `"float32"` for a module that insists on it.

    Returns:
        The table.

    Raises:
        InputError: If PyTorch is not there, or the module cannot be copied, mixes its
            rows, cannot be differentiated, or gives what is no finite number, or an
            argument is wrong.

    Example:
        >>> # from_torch(torch.nn.Sequential(...), x, outputs=["lift"])
    """
    checked_order("from_torch", order)
    checked_chunk("from_torch", chunk)
    torch: Any = require("torch", extra=None, task="a PyTorch module")
    if dtype not in ALIKE:
        raise InputError(
            f"`from_torch`: dtype={dtype!r}; expected one of {', '.join(ALIKE)}."
        )
    batch = np.array(x, float)
    shape = batch.shape[1:] or (1,)
    flat = batch.reshape(len(batch), -1) if batch.ndim > 2 else batch
    points, names = checked_points("from_torch", flat, inputs)
    f = _Batched(torch, _private_copy(torch, module, dtype), shape)
    rows = torch.tensor(points, dtype=getattr(torch, dtype), device=f.device)
    with torch.enable_grad():
        if chunk > 1:
            _refuse_mixed_rows(torch, f, rows[:chunk], ALIKE[dtype])
        ways = _ways(torch, f, rows[:chunk], order)
        parts = [ways(part) for part in rows.split(chunk)]
    tensors = [
        torch.cat(part).double().cpu().numpy() for part in zip(*parts, strict=True)
    ]
    check_exact("from_torch", points, tensors, names, f.names)
    titles = inputs, outputs or f.names
    return table_of_tensors("<torch>", points, tensors, *titles)


class _Batched:
    """A module as a function `(n, D) -> (n, M)`, which remembers the names of M."""

    def __init__(self, torch: Any, module: Any, shape: tuple[int, ...]):
        self._torch, self._module, self._shape = torch, module, shape
        self.names: tuple[str, ...] = ()
        is_module = isinstance(module, torch.nn.Module)
        weights = list(module.parameters()) if is_module else []
        self.device = weights[0].device if weights else torch.device("cpu")

    def __call__(self, x: Any) -> Any:
        n, flat, shapes = len(x), [], {}
        try:
            returned = self._module(x.reshape(n, *self._shape))
        except RuntimeError as error:
            if "dtype" not in str(error):
                raise
            raise InputError(
                f"`from_torch`: the module cannot compute in {x.dtype}: "
                f"{_first_line(error)}.\n"
                "Pass `dtype=` as the precision that is written into it."
            ) from error
        for name, part in split_outputs(returned).items():
            is_real = isinstance(part, self._torch.Tensor) and part.is_floating_point()
            if not is_real or part.ndim == 0 or len(part) != n:
                came = tuple(getattr(part, "shape", ())) or type(part).__name__
                kind = getattr(part, "dtype", "no tensor")
                raise InputError(
                    f"`from_torch`: the module returns {came} ({kind}) for {n} rows; "
                    f"expected real numbers with {n} rows, or a dictionary of such.\n"
                    "Wrap the module in a function that returns them."
                )
            shapes[name] = tuple(part.shape[1:])
            flat.append(part.reshape(n, math.prod(part.shape[1:])))
        self.names = output_names(shapes)
        return self._torch.cat(flat, 1)


def _private_copy(torch: Any, module: Any, dtype: str) -> Any:
    """Returns a copy that can be cast and run without a trace in the original."""
    if not isinstance(module, torch.nn.Module):
        return module
    try:
        with torch.no_grad():  # or the parameters of scripted modules are no leaves
            private = copy.deepcopy(module)
    except (RuntimeError, TypeError) as error:
        raise InputError(
            f"`from_torch`: the module cannot be copied ({_first_line(error)}); "
            "expected one that `copy.deepcopy` takes.\n"
            "Remove weight norm and the like, or pass a function that calls it, after "
            "`module.eval()`."
        ) from error
    for parameter in private.parameters():
        parameter.requires_grad_(False)
    return private.eval().to(getattr(torch, dtype))


def _refuse_mixed_rows(torch: Any, f: _Batched, rows: Any, alike: float) -> None:
    """Raises where rows give something else when alone, or branch on their values."""
    together = f(rows.clone()).detach()
    scale = together.abs().amax(0)
    tried = sorted({*np.linspace(0, len(rows) - 1, TRIED).astype(int).tolist()})
    alone, reason = together[tried], ""
    try:
        alone = torch.cat([f(rows[i : i + 1].clone()).detach() for i in tried])
        torch.func.vmap(lambda row: f(row[None])[0])(rows[:2].clone())
    except ValueError as error:  # batch statistics of one row
        reason = _first_line(error)
    except RuntimeError as error:  # scripted modules cannot be looked into
        reason = _first_line(error) if "data-dependent" in str(error) else ""
    if not reason:
        apart = (together[tried] - alone).abs() > alike * scale
        if not apart.any():
            return
        row = tried[int(apart.any(1).nonzero()[0])]
        reason = f"row {row + 1} gives other values alone than among {len(rows)} rows"
    raise InputError(
        f"`from_torch`: {reason}.\n"
        "Expected rows that do not see each other; batch statistics, dropout and "
        "`if` on values mix them.\n"
        "Pass `chunk=1`, or a module without them."
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].split(". ")[0][:150].rstrip(".")


def _ways(torch: Any, f: _Batched, rows: Any, order: int) -> Callable[[Any], tuple]:
    """Returns rows -> the derivative tensors up to order, in the fastest way."""
    D, M = rows.shape[1], f(rows[:1].clone()).shape[1]
    forward = lambda x: _forward(torch, f, x)
    if order == 1 and M > 2 * D:
        try:
            forward(rows[:1])
        except (RuntimeError, NotImplementedError):
            pass  # scripted, or branching: as exact in reverse, only slower
        else:
            return forward
    return lambda x: _reverse(torch, f, x, order)


def _forward(torch: Any, f: _Batched, x: Any) -> tuple:
    """Returns values and Jacobians, by one forward pass with D tangents."""

    def twice(row: Any) -> tuple:
        y = f(row[None].clone())[0]
        return y, y

    jacobian, value = torch.func.vmap(torch.func.jacfwd(twice, has_aux=True))(x)
    return value.detach(), jacobian.detach()


def _reverse(torch: Any, f: _Batched, x: Any, order: int) -> tuple:
    """Returns values and derivatives, by one reverse pass per output of each order."""
    x = x.detach().requires_grad_(order > 0)
    value = f(x.clone())  # which the module may overwrite
    tensors, last = [value.detach()], value
    for level in range(order):
        further = level + 1 < order
        entries = last.reshape(len(x), -1)
        columns = [
            _gradient(torch, entries[:, k].sum(), x, further)
            for k in range(entries.shape[1])
        ]
        last = torch.stack(columns, 1).reshape(*last.shape, x.shape[1])
        tensors.append(last.detach())
    return tuple(tensors)


def _gradient(torch: Any, total: Any, x: Any, further: bool) -> Any:
    """Returns the gradient, 0 where nothing leads back to x."""
    if not total.requires_grad:
        return torch.zeros_like(x)
    (found,) = torch.autograd.grad(
        total, x, retain_graph=True, create_graph=further, allow_unused=True
    )
    return torch.zeros_like(x) if found is None else found

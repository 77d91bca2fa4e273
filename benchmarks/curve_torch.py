"""The products of `curve.py` in PyTorch, by curvlinops and BackPACK, with their values.

Needs an environment without JAX:

    uv venv peers_torch --python 3.11
    uv pip install --python peers_torch torch==2.13.0 curvlinops-for-pytorch==3.0.1
        backpack-for-pytorch==1.7.1
    python benchmarks/curve.py --values values.npz
    peers_torch/bin/python benchmarks/curve_torch.py values.npz [--smoke]

Network, rows and vectors are those of the file, and so must be the products. The mean
square of PyTorch is twice the loss of ours, which `SCALES` takes back. Times are in
units of one gradient of PyTorch, and of the same product of ours where
`curve_products.json` has it: below 1, PyTorch is faster.
"""

import argparse
import itertools
import json
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

import curvlinops
import numpy as np
import torch
from backpack import backpack, extend
from backpack.extensions import SumGradSquared
from torch import Tensor, nn

from _clock import RESULTS, interleaved, read

THREADS, BLOCK, DAMPING = 2, 16, 1e-3  # the last two as in `curve.py`
TOLERANCES = {"float32": 1e-5, "float64": 1e-10}  # relative to the length
SCALES = {
    "hessian": 2.0,
    "gauss_newton": 2.0,
    "empirical_fisher": 4.0,
    "fisher, drawn": 2.0,
    "jacobian": 1.0,
    "jacobian, transposed": 1.0,
    "kfac": 2.0,
    "kfac, inverse": 0.5,
}
DRAWS = 200  # labels per row where the estimate of Fisher's matrix is tested
PACKAGES = ("torch", "curvlinops-for-pytorch", "backpack-for-pytorch", "numpy")


class Problem(NamedTuple):
    """A regression in one precision.

    Attributes:
        network: With the weights of the file.
        x: Points, `(N, 2)`.
        y: Labels, `(N, 1)`.
        kept: Everything the file has in this precision.
    """

    network: nn.Sequential
    x: Tensor
    y: Tensor
    kept: dict[str, np.ndarray]

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All that is trained, layer by layer."""
        return list(self.network.parameters())

    def gradient(self) -> tuple[Tensor, ...]:
        """Returns the gradient of the mean square."""
        loss = nn.functional.mse_loss(self.network(self.x), self.y)
        return torch.autograd.grad(loss, self.parameters)


def problem(file: Any, dtype: str) -> Problem:
    """Returns network and rows of a file."""
    kept = {
        name.partition("/")[2]: file[name]
        for name in file.files
        if name.startswith(dtype)
    }
    sizes, layers = kept["widths"].tolist(), []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), nn.Tanh()]
    network = nn.Sequential(*layers[:-1]).to(getattr(torch, dtype))
    flat = torch.tensor(kept["parameters"])
    nn.utils.vector_to_parameters(flat, network.parameters())
    return Problem(network, torch.tensor(kept["x"]), torch.tensor(kept["y"]), kept)


def operators(given: Problem, draws: int = 1) -> dict[str, Any]:
    """Returns the operators of curvlinops, by the names that ours have."""
    rows = [(given.x, given.y)]
    share = {"check_deterministic": False, "num_data": len(given.x)}
    four = (given.network, nn.MSELoss(), given.parameters, rows)
    three = (given.network, given.parameters, rows)
    factors = kfac(given)
    jacobian = curvlinops.JacobianLinearOperator(*three, **share)
    return {
        "hessian": curvlinops.HessianLinearOperator(*four, **share),
        "gauss_newton": curvlinops.GGNLinearOperator(*four, **share),
        "fisher, drawn": curvlinops.FisherMCLinearOperator(
            *four, mc_samples=draws, **share
        ),
        "empirical_fisher": curvlinops.EFLinearOperator(*four, **share),
        "jacobian": jacobian,
        "jacobian, transposed": jacobian.adjoint(),
        "kfac": factors,
        "kfac, inverse": curvlinops.KFACInverseLinearOperator(
            factors, damping=2 * DAMPING, use_heuristic_damping=True
        ),
        "ekfac": kfac(given, curvlinops.EKFACLinearOperator),
    }


def kfac(given: Problem, kind: Any = curvlinops.KFACLinearOperator) -> Any:
    """Returns Kronecker factors, with biases among the weights and no labels drawn."""
    return kind(
        given.network,
        nn.MSELoss(),
        given.parameters,
        [(given.x, given.y)],
        fisher_type=curvlinops.FisherType.TYPE2,
        separate_weight_and_bias=False,
        check_deterministic=False,
        num_data=len(given.x),
        num_per_example_loss_terms=1,
    )


def second_moment(given: Problem) -> Tensor:
    """Returns the sum over rows and entries of squared gradients, by BackPACK."""
    loss = extend(nn.MSELoss())(given.network(given.x), given.y)
    given.network.zero_grad()
    with backpack(SumGradSquared()):
        loss.backward()
    parameters: list[Any] = given.parameters
    return torch.stack([p.sum_grad_squared.sum() for p in parameters]).sum()


def compare(given: Problem, dtype: str) -> dict[str, float]:
    """Returns the differences to the products of ours, relative to their length.

    Args:
        given: The problem.
        dtype: The precision.

    Returns:
        Of every operator; of the one whose labels are drawn the share of its standard
        error, in the product of the vector with its image.
    """
    found, N = {}, len(given.x)
    for name, operator in operators(given).items():
        if name not in SCALES or name == "fisher, drawn":
            continue
        ours = given.kept[f"{name}/product"].ravel() * _units(name, N)
        image = operator @ torch.tensor(given.kept[f"{name}/vector"]).ravel()
        theirs = image.detach().numpy().ravel() / SCALES[name]
        found[name] = float(np.linalg.norm(theirs - ours) / np.linalg.norm(ours))
        assert found[name] < TOLERANCES[dtype], f"{dtype}, {name}: {found[name]}"
    gradient = torch.cat([g.ravel() for g in given.gradient()])
    spread = N * second_moment(extended(given)) - gradient @ gradient
    ours = float(given.kept["trace_covariance"])
    found["trace_covariance"] = abs(float(spread) / 4 / ours - 1)
    assert found["trace_covariance"] < 10 * TOLERANCES[dtype], found
    found["fisher, drawn"] = drawn(given)
    assert abs(found["fisher, drawn"]) < 5, found
    return found


def _units(name: str, N: int) -> float:
    """Returns what makes residuals of ours, divided by the root of N, differences."""
    return N**0.5 if name.startswith("jacobian") else 1.0


def drawn(given: Problem) -> float:
    """Returns the error of `v'Fv` with drawn labels, in standard errors.

    A label adds `(Jv)^2 s^2` with s normal, whose variance is twice its squared mean.
    """
    v = torch.tensor(given.kept["gauss_newton/vector"])
    image = operators(given, DRAWS)["fisher, drawn"] @ v
    along = operators(given)["jacobian"] @ v
    terms = (along**2).double().detach().numpy() / len(along)
    error = np.sqrt(2 * np.sum(terms**2) / DRAWS)
    estimate = float((v @ image).detach()) / SCALES["fisher, drawn"]
    return (estimate - float(np.sum(terms))) / error


def extended(given: Problem) -> Problem:
    """Returns the problem with a network that BackPACK has hooks in."""
    layers = [
        nn.Linear(m.in_features, m.out_features, dtype=given.x.dtype)
        if isinstance(m, nn.Linear)
        else nn.Tanh()
        for m in given.network
    ]
    network = extend(nn.Sequential(*layers))
    network.load_state_dict(given.network.state_dict())
    return given._replace(network=network)


def times(given: Problem, rounds: int) -> dict[str, Any]:
    """Returns times of products, alone and by 16, and of what is made once."""
    hooked = extended(given)
    call: dict[str, Callable[[], Any]] = {"gradient": given.gradient}
    for name, operator in operators(given).items():
        like = name if "transposed" in name else "hessian"
        v = torch.tensor(given.kept[f"{like}/vector"]).ravel()
        V = torch.randn(len(v), BLOCK, dtype=v.dtype)
        call[name] = lambda A=operator, v=v: A @ v
        call[f"{name}, {BLOCK}"] = lambda A=operator, V=V: A @ V
    call["kfac, factors"] = lambda: kfac(given).compute_kronecker_factors()
    v = torch.tensor(given.kept["hessian/vector"])
    call["ekfac, factors and product"] = lambda: (
        kfac(given, curvlinops.EKFACLinearOperator) @ v
    )
    call["simple noise scale"] = lambda: second_moment(hooked)
    for each in call.values():
        each()
    return interleaved(call, rounds=rounds)


def against_ours(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Returns milliseconds and gradients of both, where ours are kept."""
    ours = read("curve_products").get("times", {})
    middle = lambda entry, kind: entry[kind]["median"]
    return {
        name: {
            "milliseconds": middle(entry, "milliseconds"),
            "ours, milliseconds": middle(ours[name], "milliseconds"),
            "gradients": middle(entry, "ratio"),
            "ours, gradients": middle(ours[name], "ratio"),
            "theirs / ours": middle(entry, "milliseconds")
            / middle(ours[name], "milliseconds"),
        }
        for name, entry in found.items()
        if name in ours
    }


def machine() -> dict[str, Any]:
    """Returns what a reader needs to judge a figure."""
    versions = {name: version(name) for name in PACKAGES}
    return {
        "versions": {"python": platform.python_version(), **versions},
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
        "load": os.getloadavg()[0],
    }


def main() -> None:
    """Compares values in both precisions, then measures float32."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", help="as `curve.py --values` writes it")
    parser.add_argument("--smoke", action="store_true", help="nothing is kept")
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    file = np.load(options.file)
    differences = {dtype: compare(problem(file, dtype), dtype) for dtype in TOLERANCES}
    given = problem(file, "float32")
    taken = times(given, 2 if options.smoke else 40)
    found = {
        "machine": machine(),
        "P": sum(p.numel() for p in given.parameters),
        "N": len(given.x),
        "differences": differences,
        "times": taken,
        "against ours": against_ours(taken),
    }
    text = json.dumps(found, indent=1)
    print(text)
    if not options.smoke:
        (RESULTS / "curve_torch.json").write_text(text + "\n")


if __name__ == "__main__":
    main()

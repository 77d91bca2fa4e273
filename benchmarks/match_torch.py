"""`data.from_torch` beside `torch.func` by hand: the same numbers, and the time.

Needs PyTorch in the environment of this package: `uv pip install torch==2.13.0`, then
`python benchmarks/match_torch.py [--smoke]`. Values and Jacobians in float64 must agree
to 1e-12 for every module before the clock starts; modules stay as they were.
"""

import argparse
import copy
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from _common import interleaved, keep
from osculate import data

N, CHUNK, THREADS = 10_000, 512, 2


def modules() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    """Returns modules of many kinds, and the shape of one point of each."""
    network = lambda D, M: nn.Sequential(
        nn.Linear(D, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, M)
    )
    normed = nn.Sequential(
        nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(inplace=True), nn.Linear(16, 2)
    )
    normed(torch.randn(100, 4))
    convolution = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.SiLU(inplace=True), nn.Flatten(), nn.Linear(64, 3)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(network(3, 2))
    return {
        "few outputs": (network(8, 2), (8,)),
        "many outputs": (network(3, 20), (3,)),
        "batch norm, ReLU in place": (normed, (4,)),
        "convolution": (convolution, (1, 6, 6)),
        "float16": (network(3, 2).half(), (3,)),
        "scripted": (scripted, (3,)),
    }


def by_hand(module: nn.Module, x: Tensor, forward: bool) -> tuple[Tensor, Tensor]:
    """Returns values and Jacobians as the manual of `torch.func` takes them."""
    state = {name: t.detach() for name, t in module.named_parameters()}
    state |= dict(module.named_buffers())

    def twice(row: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.func.functional_call(module, state, (row[None].clone(),))[0]
        return y, y

    derive = torch.func.jacfwd if forward else torch.func.jacrev
    each = torch.func.vmap(derive(twice, has_aux=True))
    parts = [each(part) for part in x.split(CHUNK)]
    jacobian, value = (torch.cat(part) for part in zip(*parts, strict=True))
    return value, jacobian.reshape(*value.shape, -1)


def plain(name: str, module: nn.Module) -> nn.Module:
    """Returns a float64 module in evaluation mode that `torch.func` can follow."""
    if name == "scripted":
        like = nn.Sequential(
            nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2)
        )
        like.load_state_dict(module.state_dict())
        return like.double().eval()
    return copy.deepcopy(module).double().eval()


def compare(name: str, module: nn.Module, shape: tuple[int, ...]) -> float:
    """Asserts that the numbers agree and that the module is as it was."""
    x = np.random.default_rng(0).standard_normal((40, *shape))
    before = {key: t.clone() for key, t in module.state_dict().items()}
    modes = [m.training for m in module.modules()]
    grads = [p.requires_grad for p in module.parameters()]
    table = data.from_torch(module, x)
    assert modes == [m.training for m in module.modules()]
    assert grads == [p.requires_grad for p in module.parameters()]
    assert all(torch.equal(t, before[k]) for k, t in module.state_dict().items())
    assert all(p.grad is None for p in module.parameters())
    value, jacobian = by_hand(plain(name, module), torch.tensor(x), False)
    off = [np.abs(table.y["value"] - value.numpy()).max()]
    off.append(np.abs(table.y["jacobian"] - jacobian.numpy()).max())
    assert max(off) < 1e-12, (name, off)
    return float(max(off))


def times(module: nn.Module, D: int, rounds: int) -> dict[str, Any]:
    """Returns times of the better way by hand, and of ours, table included."""
    module = module.double().eval()
    x = np.random.default_rng(1).standard_normal((N, D))
    M = module(torch.tensor(x[:1])).shape[1]
    ways = {
        "by hand": lambda: by_hand(module, torch.tensor(x), M > 2 * D),
        "from_torch": lambda: data.from_torch(module, x, chunk=CHUNK),
    }
    for way in ways.values():
        way()
    return interleaved(ways, rounds=rounds)


def main() -> None:
    """Compares all, then measures two."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="nothing is kept")
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    found = {
        name: {"difference": compare(name, *given)} for name, given in modules().items()
    }
    for name in ("few outputs", "many outputs"):
        module, shape = modules()[name]
        taken = times(module, shape[0], 2 if options.smoke else 15)
        found[name]["times"] = taken
    result = {"torch": torch.__version__, "N": N, "chunk": CHUNK, "modules": found}
    if options.smoke:
        print(result)
    else:
        keep("match_torch", result)


if __name__ == "__main__":
    main()

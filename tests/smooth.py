"""A small smooth problem with exact derivatives: quick to fit, easy to check."""

import numpy as np

QUICK = {
    "model": "network",
    "regularization": "none",
    "width": 8,
    "depth": 2,
    "budget": "600steps",
}
QUICK_WORDS = tuple(
    word for name, value in QUICK.items() for word in (f"--{name}", str(value))
)


def truth(x):
    """Values (N, 2), Jacobian (N, 2, 2) and Hessian (N, 2, 2, 2) of two functions."""
    a, b = x.T
    y = np.stack([np.sin(a) * b, a * a + np.exp(b / 2)], 1)
    J = np.stack(
        [
            np.stack([np.cos(a) * b, np.sin(a)], 1),
            np.stack([2 * a, np.exp(b / 2) / 2], 1),
        ],
        1,
    )
    H = np.zeros((len(x), 2, 2, 2))
    H[:, 0, 0, 0], H[:, 0, 0, 1], H[:, 0, 1, 0] = -np.sin(a) * b, np.cos(a), np.cos(a)
    H[:, 1, 0, 0], H[:, 1, 1, 1] = 2.0, np.exp(b / 2) / 4
    return y, J, H


def write_csv(path, *, rows=40, seed=0, hessian=False):
    """Writes the problem as a table with units, `lift [N]` and `drag [N]` of (a, b)."""
    x = np.random.default_rng(seed).uniform(-1, 1, (rows, 2))
    y, J, H = truth(x)
    columns = {
        "a [m]": x[:, 0],
        "b [s]": x[:, 1],
        "lift [N]": y[:, 0],
        "drag [N]": y[:, 1],
    }
    for m, name in enumerate(("lift", "drag")):
        for d, below in enumerate("ab"):
            columns[f"d{name}/d{below}"] = J[:, m, d]
        if hessian:
            columns |= {
                f"d2{name}/da2": H[:, m, 0, 0],
                f"d2{name}/dadb": H[:, m, 0, 1],
                f"d2{name}/db2": H[:, m, 1, 1],
            }
    lines = [",".join(columns)]
    lines += [
        ",".join(map(repr, row)) for row in np.stack([*columns.values()], 1).tolist()
    ]
    path.write_text("\n".join(lines) + "\n")
    return x, y, J

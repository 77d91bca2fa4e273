"""A small smooth problem with exact derivatives: quick to fit, easy to check."""

import numpy as np

QUICK = {"width": 8, "depth": 2, "budget": "300steps"}


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

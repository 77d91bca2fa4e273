"""Pairs of near neighbours."""

import numpy as np
from jaxtyping import Float64, Int

MOST_POINTS = 2000
MOST_PAIRS = 4000
MOST_DIRECTIONS = 8
STRETCH = 0.1


def neighbour_pairs(
    x: Float64[np.ndarray, "N D"], rows: Int[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"], Float64[np.ndarray, " P"]]:
    """Returns pairs of rows that are near in standardized inputs.

    Each point is paired with its nearest neighbours, and with those that are nearest
    when one input counts for little, so that every input varies within some pairs.

    Args:
        x: Points `(N, D)`.
        rows: The rows to look at; at most 2000 of them are used, evenly spaced.

    Returns:
        First rows, second rows and distances in standardized inputs, never 0, of at
        most 4000 pairs.
    """
    if len(rows) > MOST_POINTS:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_POINTS).astype(int)]
    if len(rows) < 2:
        return rows[:0], rows[:0], np.zeros(0)
    points = x[rows]
    spread = points.std(0)
    points = (points - points.mean(0)) / np.where(spread > 0, spread, 1.0)
    D = points.shape[1]
    weights = [np.ones(D)]
    for d in range(D if 1 < D <= MOST_DIRECTIONS else 0):
        weights.append(np.where(np.arange(D) == d, STRETCH, 1.0))
    found = np.concatenate([_nearest(points * w, 4) for w in weights])
    found = np.unique(np.sort(found, axis=1), axis=0)
    if len(found) > MOST_PAIRS:
        found = found[np.linspace(0, len(found) - 1, MOST_PAIRS).astype(int)]
    size = np.linalg.norm(points[found[:, 1]] - points[found[:, 0]], axis=1)
    found, size = found[size > 1e-12], size[size > 1e-12]
    return rows[found[:, 0]], rows[found[:, 1]], size


def _nearest(points: np.ndarray, k: int) -> np.ndarray:
    """Returns pairs of each point with its k nearest others that are not on it."""
    squares = (points**2).sum(1)
    distance = squares[:, None] + squares - 2 * points @ points.T
    distance[distance < 1e-12 * (1 + squares[:, None])] = np.inf
    k = min(k, len(points) - 1)
    nearest = np.argpartition(distance, k - 1, axis=1)[:, :k]
    near = np.repeat(np.arange(len(points)), k)
    return np.stack([near, nearest.ravel()], axis=1)

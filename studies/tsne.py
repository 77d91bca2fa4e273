"""Clusters that are nobody's neighbours, in the plane (SPEC K2.6/a).

Ten clusters in 20 dimensions: how many near neighbours t-SNE keeps, against the plane
of the largest variance, at several perplexities.

    python studies/tsne.py
"""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from _keep import keep
from osculate import chance

CLUSTERS, EACH, DIMENSION = 10, 40, 20
PERPLEXITIES = (5.0, 30.0, 100.0)


def clusters(each: int = EACH) -> tuple[jax.Array, jax.Array]:
    """Returns points and their clusters; the centres are ten deviations apart or so."""
    k_centre, k_point = jr.split(jr.key(0))
    labels = jnp.repeat(jnp.arange(CLUSTERS), each)
    centres = 0.8 * jr.normal(k_centre, (CLUSTERS, DIMENSION))
    noise = jr.normal(k_point, (len(labels), DIMENSION))
    return centres[labels] + 0.5 * noise, labels


def neighbours(points: jax.Array, k: int) -> jax.Array:
    """Returns the indices of the k nearest others of each point, `(N, k)`."""
    D = chance.squared_distances(points, points)
    far = jnp.where(jnp.eye(len(points), dtype=bool), jnp.inf, D)
    return jax.lax.top_k(-far, k)[1]


def judged(picture: jax.Array, points: jax.Array, labels: jax.Array) -> dict[str, Any]:
    """Returns the shares of kept neighbours and of neighbours of the same cluster."""
    near, before = neighbours(picture, 10), neighbours(points, 10)
    kept = jnp.any(near[:, :, None] == before[:, None], axis=2)
    return {
        "neighbours kept": jnp.mean(kept).item(),
        "nearest of the same cluster": jnp.mean(labels[near[:, 0]] == labels).item(),
    }


def plane(points: jax.Array) -> jax.Array:
    """Returns the projection to the plane of the largest variance."""
    centred = points - jnp.mean(points, 0, keepdims=True)
    return centred @ jnp.linalg.svd(centred, full_matrices=False)[2][:2].T


def compare(
    each: int = EACH,
    steps: int = 1000,
    perplexities: tuple[float, ...] = PERPLEXITIES,
) -> dict[str, Any]:
    """Returns the measures of the plane and of t-SNE, and one picture of both."""
    points, labels = clusters(each)
    rows: dict[str, Any] = {"plane": judged(plane(points), points, labels)}
    shown = []
    for perplexity in perplexities:
        found = chance.tsne(points, jr.key(1), perplexity=perplexity, steps=steps)
        loss = {"divergence": found.losses[-1].item()}
        rows[f"{perplexity:g}"] = loss | judged(found.points, points, labels)
        shown.append(found.points)
    cut = lambda a: np.round(np.asarray(a), 3).tolist()
    pictures = {"plane": plane(points), "t-SNE": shown[len(shown) // 2]}
    return {
        "points": len(points),
        "rows": rows,
        "labels": labels.tolist(),
        "pictures": {name: cut(picture) for name, picture in pictures.items()},
    }


if __name__ == "__main__":
    keep("tsne", compare())

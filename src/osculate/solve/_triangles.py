"""Simple polygons, checked and cut into triangles."""

import numpy as np
from jaxtyping import Float, Int

from osculate.core import InputError

Points = Float[np.ndarray, "N 2"]
TINY = 1e-12


def signed_area(points: Points) -> float:
    """Returns the area of a polygon, positive where it runs counter-clockwise.

    Args:
        points: Its vertices.

    Returns:
        The area.
    """
    return float(np.sum(_cross(points, np.roll(points, -1, axis=0))) / 2)


def refuse_polygon(points: Points) -> None:
    """Checks that a closed line of edges bounds one piece of the plane.

    Args:
        points: Its vertices.

    Raises:
        InputError: If there are less than three, an edge has no length, two edges meet
            outside of a common vertex, or there is no area.
    """
    N = len(points)
    if N < 3:
        raise InputError(
            f"`solve.polygon`: {N} vertices; expected three or more.\n"
            "Give the corners in the order of the boundary."
        )
    after = np.roll(points, -1, axis=0)
    size = float(np.ptp(points, axis=0).max())
    short = np.linalg.norm(after - points, axis=1) <= TINY * size
    if short.any():
        k = int(short.argmax())
        raise InputError(
            f"`solve.polygon`: vertices {k} and {(k + 1) % N} are the same point, "
            f"{points[k].tolist()}.\nGive every vertex once; the last edge is closed."
        )
    if (met := _crossing(points, after, size)) is not None:
        raise InputError(
            f"`solve.polygon`: edges {met[0]} and {met[1]} meet; expected a boundary "
            "that does not touch itself.\nGive the vertices in the order of the "
            "boundary."
        )
    if abs(signed_area(points)) <= TINY * size**2:
        raise InputError(
            f"`solve.polygon`: the {N} vertices enclose no area.\nMove one of them."
        )


def triangles(points: Points) -> Int[np.ndarray, "T 3"]:
    """Cuts a simple polygon into triangles by taking off its ears.

    Args:
        points: Its vertices, counter-clockwise.

    Returns:
        Three vertices of each.

    Reference: Meisters (1975), Polygons have ears.
    """
    left, found = list(range(len(points))), []
    limit = TINY * float(np.ptp(points, axis=0).max()) ** 2
    while len(left) > 2:
        k = next((k for k in range(len(left)) if _is_ear(points, left, k, limit)), None)
        if k is None:
            break  # what is left has no area
        found.append((left[k - 1], left[k], left[(k + 1) % len(left)]))
        del left[k]
    return np.array(found)


def _is_ear(points: Points, left: list[int], k: int, limit: float) -> bool:
    """Tells whether the triangle at a vertex holds no other vertex."""
    corners = [left[k - 1], left[k], left[(k + 1) % len(left)]]
    a, b, c = points[corners]
    if _cross(b - a, c - a) <= limit:
        return False
    p = points[[i for i in left if i not in corners]]
    sides = [_cross(q - o, p - o) >= -limit for o, q in ((a, b), (b, c), (c, a))]
    return not np.any(sides[0] & sides[1] & sides[2])


def _cross(a: Float[np.ndarray, "... 2"], b: Float[np.ndarray, "... 2"]):
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _crossing(points: Points, after: Points, size: float) -> tuple[int, int] | None:
    """Returns two edges that meet where they should not."""
    N, room = len(points), TINY * size**2
    for i in range(N):
        a, b = points[i], after[i]
        following = (i + 1) % N
        turn, on = _cross(b - a, after[following] - b), after[following] - b
        if abs(turn) <= room and on @ (b - a) < 0:
            return i, following
        others = np.array([j for j in range(i + 2, N) if (j + 1) % N != i], int)
        if not len(others):
            continue
        c, d = points[others], after[others]
        first = _cross(b - a, c - a), _cross(b - a, d - a)
        second = _cross(d - c, a - c), _cross(d - c, b - c)
        apart = [
            (np.minimum(p, q) > room) | (np.maximum(p, q) < -room)
            for p, q in (first, second)
        ]
        # On one line the boxes around both edges decide.
        low, high = np.minimum(a, b), np.maximum(a, b)
        aside = (np.minimum(c, d) > high + TINY * size) | (
            np.maximum(c, d) < low - TINY * size
        )
        meets = ~(apart[0] | apart[1] | aside.any(axis=1))
        if meets.any():
            return i, int(others[meets.argmax()])
    return None

"""Domains beside boxes: points, faces, distances and what declarations refuse."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from osculate import solve

pytestmark = pytest.mark.slow  # a compilation for each of many functions

CORNER = [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]]
DART = [[0, 0], [2, 0], [0.5, 0.5], [0, 2]]
TRIANGLE = [[0.0, 0.0], [2.0, 0.0], [0.5, 1.0]]
SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1], [0.4, 0.6]]
FANS = [[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]
TETRAHEDRON = [[0, 0, 0], [1, 0, 0], [0, 2, 0], [0.1, 0.1, 1]]


def ellipse(x):
    return 1 - x[0] ** 2 - (x[1] / 2) ** 2


def unit_box(**ranges):
    return solve.box(**{"x": (0.0, 1.0), "y": (0.0, 1.0), **ranges})


def disc(x, y, radius):
    return solve.ball(x=x, y=y, radius=radius)


DOMAINS = {
    "disc": lambda: disc(0.3, -0.2, 1.5),
    "ring": lambda: solve.shell(x=0.0, y=0.0, inner=0.5, outer=1.0),
    "polygon": lambda: solve.polygon(CORNER),
    "clockwise": lambda: solve.polygon(DART[::-1]),
    "triangle": lambda: solve.simplex(TRIANGLE),
    "ellipse": lambda: solve.signed_distance(ellipse, low=(-1, -2), high=(1, 2)),
    "union": lambda: solve.union(unit_box(), disc(1.0, 0.5, 0.4)),
    "corner": lambda: solve.difference(
        solve.box(x=(0.0, 2.0), y=(0.0, 2.0)), solve.box(x=(1.0, 3.0), y=(1.0, 3.0))
    ),
    "hole": lambda: solve.difference(solve.polygon(DART), disc(0.3, 0.3, 0.2)),
    "lens": lambda: solve.intersection(disc(0.0, 0.0, 1.0), disc(1.0, 0.0, 1.0)),
    "mesh": lambda: solve.mesh(SQUARE, FANS),
}
# area and centroid, where they are known
MOMENTS = {
    "disc": (np.pi * 2.25, (0.3, -0.2)),
    "ring": (np.pi * 0.75, (0.0, 0.0)),
    "polygon": (3.0, (5 / 6, 5 / 6)),
    "clockwise": (1.0, (0.5, 0.5)),
    "triangle": (1.0, (2.5 / 3, 1 / 3)),
    "ellipse": (2 * np.pi, (0.0, 0.0)),
    "union": (1 + np.pi * 0.08, None),
    "corner": (3.0, (5 / 6, 5 / 6)),
    "lens": (2 * np.pi / 3 - np.sqrt(3) / 2, (0.5, 0.0)),
    "mesh": (1.0, (0.5, 0.5)),
}


@pytest.fixture(scope="module")
def domains():
    return {name: build() for name, build in DOMAINS.items()}


def check_faces(domain, names, N, key):
    """On each face distance 0, gradient minus the unit normal; all is positive inside.

    Returns points of the faces, by name.
    """
    sides = {name: domain.sides[name] for name in names}
    found = {name: domain.points_on(side, N, key) for name, side in sides.items()}

    def look(side, p):
        value, slope = jax.value_and_grad(side.distance)(p)
        return value, slope, side.normal(p), domain.inside(p)

    @jax.jit
    def looks(found, inner):
        on = {
            n: jax.vmap(lambda p, n=n: look(sides[n], p))(x) for n, x in found.items()
        }
        return on, {n: jax.vmap(side.distance)(inner) for n, side in sides.items()}

    on, inner = looks(found, jnp.asarray(domain.interior(256, key)))
    for name in names:
        value, slope, normal, inside = map(np.asarray, on[name])
        np.testing.assert_allclose(value, 0, atol=1e-13)
        np.testing.assert_allclose(slope, -normal, atol=1e-8)
        np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1, rtol=1e-12)
        assert inside.all()
        assert np.asarray(inner[name]).min() > 0
    return {name: np.asarray(x) for name, x in found.items()}


# --- points inside -------------------------------------------------------------------


@pytest.mark.parametrize("name", MOMENTS)
def test_points_are_uniform(name, domains, key):
    """The share inside tells the area, the mean the centroid."""
    domain, (area, centroid) = domains[name], MOMENTS[name]
    x = domain.points(4096, key)
    kept = np.asarray(jax.jit(jax.vmap(domain.inside))(x))
    low, high = np.array(domain.low), np.array(domain.high)
    assert ((np.asarray(x) >= low - 1e-12) & (np.asarray(x) <= high + 1e-12)).all()
    if name in ("ellipse", "union", "corner", "lens"):
        np.testing.assert_allclose(kept.mean() * np.prod(high - low), area, rtol=0.01)
    else:
        assert kept.all()
    x = np.asarray(x)[kept]
    if centroid is not None:
        np.testing.assert_allclose(x.mean(axis=0), centroid, atol=0.01)


@pytest.mark.parametrize("D", [2, 3, 5])
def test_second_moments_of_balls_and_spheres(D, key):
    """E x_i² is R² / (D + 2) in a ball, R² / D on its sphere."""
    names = {f"x{k}": 0.5 * k for k in range(D)}
    domain, center = solve.ball(radius=2.0, **names), 0.5 * np.arange(D)
    x = np.asarray(domain.points(8192, key)) - center
    np.testing.assert_allclose((x**2).mean(axis=0), 4 / (D + 2), rtol=0.02)
    (side,) = domain.named("surface")
    x = np.asarray(domain.points_on(side, 8192, key)) - center
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 2.0, rtol=1e-12)
    np.testing.assert_allclose((x**2).mean(axis=0), 4 / D, rtol=0.02)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=0.04)


def test_moments_of_a_tetrahedron(key):
    x = np.asarray(solve.simplex(TETRAHEDRON).points(8192, key))
    v = np.array(TETRAHEDRON)
    np.testing.assert_allclose(x.mean(axis=0), v.mean(axis=0), atol=0.01)
    spread = v - v.mean(axis=0)
    np.testing.assert_allclose(np.cov(x.T), spread.T @ spread / 20, atol=0.005)


def test_what_lies_inside():
    inside = lambda domain, *p: bool(domain.inside(jnp.asarray(p)))
    ring = solve.shell(x=0.0, y=0.0, inner=0.5, outer=1.0)
    assert [inside(ring, r, 0.0) for r in (0.4, 0.5, 0.8, 1.0, 1.1)] == [0, 1, 1, 1, 0]
    bent = solve.polygon(CORNER)
    assert inside(bent, 0.5, 1.5)
    assert inside(bent, 1.0, 1.5)
    assert not inside(bent, 1.5, 1.5)
    square = solve.mesh(SQUARE, FANS)
    assert inside(square, 0.9, 0.2)
    assert not inside(square, 1.1, 0.2)


# --- faces ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", DOMAINS)
def test_distances_and_normals_of_faces(name, domains, key):
    """On a face: distance 0, gradient minus the unit normal, points inside."""
    check_faces(domains[name], domains[name].sides, 32, key)


def test_slopes_by_differences_and_second_derivatives_on_an_edge(key):
    """A step h inwards: the distance is h, up to h²."""
    domain, h = solve.polygon(CORNER), 1e-6
    side = domain.sides["edge 3"]
    x = domain.points_on(side, 8, key)
    away = jax.jit(jax.vmap(lambda p: side.distance(p - h * side.normal(p))))(x)
    np.testing.assert_allclose(away, h, rtol=1e-5)
    H = jax.jit(jax.vmap(jax.hessian(side.distance)))(x)
    np.testing.assert_allclose(H, 0, atol=1e-12)  # rho = f + O(f^7) beside the edge


def test_an_edge_is_zero_on_itself_only():
    """The line of edge 2 of an L, y = 1, goes on through the polygon."""
    side = solve.polygon(CORNER).sides["edge 2"]
    look = jax.jit(jax.vmap(jax.value_and_grad(side.distance)))
    value, slope = look(
        jnp.array([[0.01, 1.0], [0.5, 1.0], [0.9, 1.0], [2.0, 1.0], [1.0, 1.0]])
    )
    assert (value[:3] > 0.005).all()
    np.testing.assert_array_equal(value[3:], 0)
    assert jnp.isfinite(slope).all()


@pytest.mark.parametrize(
    ("name", "centers"),
    [
        ("ellipse", {"surface": (0, 0)}),
        ("ring", {"inner": (0, 0), "outer": (0, 0)}),
        ("polygon", {"edge 0": (1, 0), "edge 3": (1, 1.5)}),
        ("triangle", {"face 0": (1.25, 0.5), "face 2": (1, 0)}),
        ("corner", {"x=upper": (2, 0.5), "x=lower 2": (1, 1.5), "y=lower 2": (1.5, 1)}),
        ("mesh", {"surface": (0.5, 0.5)}),
    ],
)
def test_faces_lie_where_they_should_and_are_uniform(name, centers, domains, key):
    for face, center in centers.items():
        x = domains[name].points_on(domains[name].sides[face], 2048, key)
        np.testing.assert_allclose(np.asarray(x).mean(axis=0), center, atol=0.01)


def test_a_surface_that_was_found_is_uniform_by_length(key):
    """The arc of the ellipse with |x| < 1/2, by its parameter: t in (pi/3, 2 pi/3)."""
    domain = solve.signed_distance(ellipse, low=(-1, -2), high=(1, 2))
    x = np.asarray(domain.points_on(domain.sides["surface"], 4096, key))
    np.testing.assert_allclose(x[:, 0] ** 2 + x[:, 1] ** 2 / 4, 1, rtol=1e-13)
    t = np.linspace(0, 2 * np.pi, 100_001)
    speed = np.sqrt(np.sin(t) ** 2 + 4 * np.cos(t) ** 2)
    share = speed[np.abs(np.cos(t)) < 0.5].sum() / speed.sum()
    np.testing.assert_allclose((np.abs(x[:, 0]) < 0.5).mean(), share, rtol=0.03)


def test_combinations_cut_faces_off(domains, key):
    """Nothing of a face lies within the other region; a face cut whole is gone."""
    domain = domains["union"]
    x = np.asarray(domain.points_on(domain.sides["x=upper"], 512, key))
    assert (np.abs(x[:, 1] - 0.5) >= 0.4).all()
    x = np.asarray(domain.points_on(domain.sides["surface"], 512, key))
    assert (x[:, 0] >= 1).all()
    wide = solve.union(unit_box(), unit_box(x=(0.5, 2.0), y=(-1.0, 2.0)))
    assert "x=upper" not in wide.sides
    assert "x=upper 2" in wide.sides
    beside = solve.union(unit_box(), unit_box(x=(1.0, 2.0)))
    assert {"x=upper", "x=lower 2"}.isdisjoint(beside.sides)


def test_a_hole_with_corners_in_a_union(key):
    """Faces of a nested combination are zero on what is left of them only."""
    cut = solve.difference(disc(0.0, 0.0, 1.0), solve.simplex(TRIANGLE))
    domain = solve.union(cut, unit_box(x=(-2.0, -0.5), y=(-0.2, 0.2)))
    x = check_faces(domain, ["surface", "face 2", "x=lower"], 16, key)
    np.testing.assert_allclose(x["face 2"][:, 1], 0, atol=1e-15)
    assert (x["x=lower"][:, 0] == -2).all()


def test_a_cube_of_tetrahedra(key):
    """The face of six times two triangles; in the middle the distance by quadrature."""
    points = np.array(list(itertools.product([0, 1], repeat=3)), float)
    cells = []
    for order in itertools.permutations(range(3)):
        steps = np.cumsum([np.zeros(3), *np.eye(3)[list(order)]], axis=0)
        cells.append((steps @ [4, 2, 1]).astype(int))
    domain = solve.mesh(points, np.array(cells))
    side = domain.sides["surface"]
    assert side.face.pieces.corners.shape == (12, 3, 3)
    x = check_faces(domain, ["surface"], 64, key)["surface"]
    on = np.sort(np.minimum(np.abs(x), np.abs(1 - x)), axis=1)[:, 0]
    np.testing.assert_allclose(on, 0, atol=1e-15)
    z = (np.arange(400) + 0.5) / 400 - 0.5
    a, b = np.meshgrid(z, z)
    W = 6 * 0.5 * np.mean((a**2 + b**2 + 0.25) ** -2.0)  # ∫ h / r⁴ over six squares
    middle = jnp.array([[0.5, 0.5, 0.5], [0.5 + 1e-9, 0.5, 0.5]])
    found = jax.jit(jax.vmap(side.distance))(middle)
    np.testing.assert_allclose(found, np.pi / W, rtol=1e-5)


# --- with the rest of the room -------------------------------------------------------


@pytest.mark.parametrize("name", DOMAINS)
def test_trial_functions_are_exact_on_every_face(name, domains, key):
    """u = x + 2 y on the boundary, whatever the weights are."""
    domain = domains[name]
    problem = solve.problem(
        domain, lambda lap_u: lap_u + 1.0, boundary=lambda x, y: x + 2 * y
    )
    assert not problem.soft
    model = solve.model_of(problem, width=4, depth=1, key=key)
    u = jax.jit(jax.vmap(lambda p: solve.fields_of(model)(p)["u"]))
    for side in domain.named("boundary"):
        x = domain.points_on(side, 64, key)
        np.testing.assert_allclose(u(x), x[:, 0] + 2 * x[:, 1], rtol=0, atol=1e-12)
    inner = domain.interior(16, key)
    assert np.abs(u(jnp.asarray(inner)) - inner @ [1.0, 2.0]).max() > 1e-4


def test_products_with_time(key):
    domain = disc(0.0, 0.0, 1.0) * solve.time(t=(0.0, 2.0))
    assert domain.names == ("x", "y", "t")
    assert [side.name for side in domain.named("all")] == ["surface"]
    x = check_faces(domain, ["surface"], 64, key)["surface"]
    np.testing.assert_allclose(np.linalg.norm(x[:, :2], axis=1), 1, rtol=1e-13)
    assert np.ptp(x[:, 2]) > 1.8
    assert domain.sides["surface"].normal(jnp.asarray(x[0]))[2] == 0


def test_conditions_at_points_of_a_cloud_are_soft(key):
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    rim = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    inner = np.asarray(disc(0.0, 0.0, 0.9).points(200, key))
    domain = solve.points(inner, boundary=rim, normals=3 * rim)
    side = domain.sides["surface"]
    x = domain.points_on(side, 64, key)
    look = jax.jit(jax.vmap(lambda p: (side.distance(p), side.normal(p))))
    value, normal = look(x)
    np.testing.assert_allclose(value, 0, atol=1e-15)
    np.testing.assert_allclose(normal, x, atol=1e-12)
    drawn = np.asarray(domain.points(64, key))
    assert {tuple(p) for p in drawn} <= {tuple(p) for p in inner}
    problem = solve.problem(domain, lambda lap_u: lap_u + 1.0, boundary=0.0)
    assert [c.words for c in problem.soft] == ["u at surface"]
    assert not solve.points(inner).sides


def test_a_mesh_from_a_file(tmp_path):
    meshio = pytest.importorskip("meshio")
    flat = np.pad(np.array(SQUARE, float), ((0, 0), (0, 1)))
    meshio.Mesh(flat, [("triangle", np.array(FANS))]).write(tmp_path / "square.vtk")
    assert solve.mesh(tmp_path / "square.vtk") == solve.mesh(SQUARE, FANS)
    meshio.Mesh(flat, [("line", np.array([[0, 1]]))]).write(tmp_path / "line.vtk")
    with pytest.raises(ValueError, match=r"has cells \['line'\]; expected tetra"):
        solve.mesh(tmp_path / "line.vtk")
    with pytest.raises(ValueError, match=r"no file 'none\.vtu'"):
        solve.mesh("none.vtu")


@pytest.mark.parametrize("name", ["disc", "polygon", "ellipse", "lens", "mesh"])
def test_equal_domains_are_equal_and_hash(name, domains):
    one, two = domains[name], DOMAINS[name]()
    assert one == two
    assert hash(one) == hash(two)
    assert jax.tree.structure(one) == jax.tree.structure(two)
    assert hash(jax.tree.structure(one)) == hash(jax.tree.structure(two))
    assert not jax.tree.leaves(one)
    assert domains["disc"] != disc(0.3, -0.2, 1.4)


# --- what is refused -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: disc(0.0, 0.0, -1.0), "radius is -1.0; expected a positive number"),
        (lambda: disc(0.0, np.nan, 1.0), "y is nan; expected a finite number"),
        (lambda: solve.ball(x=0.0, radius=1.0), "1 coordinates .*; expected two or"),
        (
            lambda: solve.shell(x=0.0, y=0.0, inner=2.0, outer=1.0),
            "expected the inner radius to be smaller",
        ),
        (lambda: solve.polygon([[0, 0], [1, 0]]), "2 vertices; expected three"),
        (
            lambda: solve.polygon([[0, 0], [1, 1], [1, 0], [0, 1]]),
            "edges 0 and 2 meet",
        ),
        (lambda: solve.polygon([[0, 0], [1, 0], [1, 0], [0, 1]]), "1 and 2 are the sa"),
        (lambda: solve.polygon([[0, 0], [2, 0], [1, 0]]), "edges 0 and 1 meet"),
        (lambda: solve.polygon([[0, 0], [1, np.inf], [0, 1]]), "not all finite"),
        (lambda: solve.polygon(CORNER, names=("x", "x")), "expected 2 different names"),
        (lambda: solve.simplex([[0, 0], [1, 1], [2, 2]]), "lie in one plane"),
        (lambda: solve.simplex([[0, 0], [1, 1]]), "2 vertices in 2 dimensions"),
        (
            lambda: solve.signed_distance(ellipse, low=(-1, -1), high=(1, 1)),
            "on the edge of the box",
        ),
        (
            lambda: solve.signed_distance(lambda x: x, low=(-1, -1), high=(1, 1)),
            "expected one number",
        ),
        (
            lambda: solve.signed_distance(lambda x, y: x, low=(-1, -1), high=(1, 1)),
            "the function fails for a point of shape",
        ),
        (
            lambda: solve.signed_distance(
                lambda x: -1.0 - x @ x, low=(-1, -1), high=(1, 1)
            ),
            "no boundary was found",
        ),
        (
            lambda: solve.union(unit_box(), solve.box(y=(0.0, 1.0), x=(0.0, 1.0))),
            "expected the same names in the same order",
        ),
        (
            lambda: solve.difference(disc(0.0, 0.0, 1.0), disc(0.0, 0.0, 2.0)),
            "no point is left",
        ),
        (
            lambda: solve.intersection(disc(0.0, 0.0, 1.0), disc(3.0, 0.0, 1.0)),
            "no point is left",
        ),
        (
            lambda: solve.union(unit_box(), solve.mesh(SQUARE, FANS)),
            "expected one region in space with a distance function",
        ),
        (lambda: solve.mesh(SQUARE, [[0, 1, 9]]), "ask for the points 0 to 9"),
        (lambda: solve.mesh(SQUARE, [[0, 1, 1]]), "cell 0 has no volume"),
        (lambda: solve.mesh(SQUARE), "cells: came of shape"),
        (lambda: solve.points([[0.0, 0.0], [0.0, 1.0]]), "expected several values"),
        (lambda: solve.points(SQUARE, boundary=SQUARE), "expected both, or none"),
        (
            lambda: disc(0.0, 0.0, 1.0) * solve.ball(p=0.0, q=0.0, radius=1.0),
            "the face 'surface' is there twice",
        ),
        (
            lambda: disc(0.0, 0.0, 1.0).named("surfaces"),
            r"it has \['all', 'surface'\]. Did you mean 'surface'",
        ),
    ],
)
def test_declarations_that_are_refused(build, message):
    with pytest.raises(ValueError, match=message) as caught:
        build()
    assert str(caught.value).count("\n") < 4

"""The equations of Navier and Stokes in the plane."""

from jaxtyping import Array, Float

Number = Float[Array, ""]


def steady(
    u: Number,
    u_x: Number,
    u_y: Number,
    lap_u: Number,
    v: Number,
    v_x: Number,
    v_y: Number,
    lap_v: Number,
    p_x: Number,
    p_y: Number,
    nu: Number,
) -> dict[str, Number]:
    """Returns the residuals of a steady flow: both momenta and continuity."""
    return {
        "momentum x": u * u_x + v * u_y + p_x - nu * lap_u,
        "momentum y": u * v_x + v * v_y + p_y - nu * lap_v,
        "continuity": u_x + v_y,
    }

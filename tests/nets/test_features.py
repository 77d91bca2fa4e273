"""What a network is shown of a point."""

import jax
import jax.numpy as jnp
import pytest

from osculate import nets


def shown(key, **choices):
    """Features themselves: the network is the identity."""
    return nets.features(lambda size, key: lambda z: z, key=key, **choices)


def test_coordinates_have_unit_scale(key):
    f = shown(key, low=[1.0, -2.0], high=[3.0, 2.0])
    assert jnp.allclose(f(jnp.array([1.0, 2.0])), jnp.array([-1.0, 1.0]))


def test_periodic_coordinates_are_waves_that_close(key):
    f = shown(key, low=[0.0, 1.0], high=[4.0, 2.0], periodic=[1], harmonics=2)
    low, high = f(jnp.array([3.0, 1.0])), f(jnp.array([3.0, 2.0]))
    assert low.shape == (5,)
    assert jnp.allclose(low, high, atol=1e-15)
    assert float(low[0]) == pytest.approx(0.5)
    slope = jax.jacfwd(f)
    assert jnp.allclose(
        slope(jnp.array([3.0, 1.0])), slope(jnp.array([3.0, 2.0])), atol=1e-14
    )


def test_waves_leave_periodic_coordinates_out(key):
    f = shown(
        key, low=[0.0, 0.0], high=[1.0, 1.0], periodic=[0], num_waves=3, frequency=5.0
    )
    x = jnp.array([0.2, 0.7])
    assert f(x).shape == (1 + 2 + 6,)
    assert jnp.allclose(f(x)[-6:], f(x.at[0].set(0.9))[-6:])
    assert not jnp.allclose(f(x)[-6:], f(x.at[1].set(0.1))[-6:])
    squares = f(x)[-6:] ** 2
    assert jnp.allclose(squares[:3] + squares[3:], 1.0)

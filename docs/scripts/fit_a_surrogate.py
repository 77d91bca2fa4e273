"""Fit a surrogate: the code of docs/fit-a-surrogate.md, which the tests run."""

# --8<-- [start:table]
import numpy as np

import osculate

table = osculate.data.water()
# --8<-- [end:table]

# --8<-- [start:fit]
surrogate = osculate.tasks.surrogate(
    table, test=osculate.data.water_test(), budget="1000steps"
)
# --8<-- [end:fit]

# --8<-- [start:ask]
X = np.array([[300.0, 0.5], [450.0, 20.0]])  # T [K], p [MPa]
h, rho = surrogate.predict(X).T
slopes = surrogate.gradient(X)  # (2 points, 2 outputs, 2 inputs)
curvatures = surrogate.hessian(X)  # (2, 2, 2, 2)
# --8<-- [end:ask]

# --8<-- [start:judge]
surrogate.report("water.html")
# --8<-- [end:judge]

# --8<-- [start:keep]
surrogate.save("water")
again = osculate.load("water")
assert np.array_equal(again.predict(X), surrogate.predict(X))
# --8<-- [end:keep]

# The same two states in CoolProp 8.0 (IAPWS-95).
assert np.allclose(h, [113.0219, 759.4009], rtol=5e-3), h
assert np.allclose(rho, [996.7358, 902.2936], rtol=5e-3), rho
assert np.allclose(slopes[:, 0, 0], [4.17951, 4.31800], rtol=2e-2), slopes
assert np.allclose(curvatures, curvatures.transpose(0, 1, 3, 2)), curvatures

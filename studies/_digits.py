"""Handwritten digits: 1,797 pictures of 8 x 8 pixels, the table that scikit-learn has.

E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
Learning Repository (1998), the part for tests; licence CC BY 4.0.
"""

from pathlib import Path

import numpy as np

FILE = Path(__file__).parent / "digits.csv.gz"


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Returns pictures `(1797, 64)` from 0 to 1, row by row, and digits `(1797,)`."""
    table = np.loadtxt(FILE, delimiter=",", skiprows=1, dtype=np.int64)
    return table[:, :-1] / 16, table[:, -1]

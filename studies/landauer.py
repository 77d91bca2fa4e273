"""The least heat of computations, and what was spent (SPEC K2.7.1-6).

python studies/landauer.py
"""

from typing import Any

from _keep import keep
from osculate import chance


def table() -> dict[str, Any]:
    """Returns bits that are erased and the heat of it at 300 K."""
    floor = chance.landauer(1e14 * 16)
    return {
        "one sum of 16 bits (J)": chance.landauer(16.0),
        "1e23 operations of 32 bits (J)": chance.landauer(1e23 * 32),
        "1e14 operations of 16 bits a second (W)": floor,
        "250 W over that": 250 / floor,
    }


if __name__ == "__main__":
    keep("landauer", table())

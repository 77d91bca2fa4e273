"""How small a student of a teacher of handwritten digits may be.

Students of one hidden layer have as many numbers as the teacher, or a quarter, a
sixteenth, a 64th of them. They see ten pictures of every digit, those of a sixteenth
once more eighty: their labels, the teacher's logits there, or also the slopes of those.

    python studies/small_students.py
"""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from _keep import keep
from distillation import READ, accuracy, network, pictures, size, students, teacher
from osculate import nets

WIDTHS = {"1": 348, "1/4": 87, "1/16": 22, "1/64": 5}  # by ratio of numbers
WAYS = ("labels", "logits", "logits + Jacobian")
STEPS = 1000


def agreement(net: nets.MLP) -> jax.Array:
    """Returns the share of unseen pictures that are read as the teacher reads them."""
    x, large = pictures()[0][READ:], teacher()
    own, told = (jnp.argmax(jax.vmap(one)(x), axis=1) for one in (net, large))
    return jnp.mean(own == told)


def compare(
    ratio: str, per_class: int, seeds: int, steps: int = STEPS
) -> list[dict[str, Any]]:
    """Returns agreement and accuracy of students of one size, in percent."""
    width, found = WIDTHS[ratio], []
    numbers = size(network(jr.key(0), width, 1))
    for way in WAYS:
        many = students(way, per_class, seeds, steps, width)
        row = {"ratio": ratio, "per class": per_class, "seeds": seeds, "way": way}
        row |= {"numbers": numbers, "exact ratio": numbers / size(teacher())}
        for read in (agreement, accuracy):
            percent = 100 * np.asarray(jax.vmap(read)(many))
            row[read.__name__] = float(percent.mean())
            row[f"{read.__name__}, spread"] = float(percent.std(ddof=1))
        found.append(row)
    return found


if __name__ == "__main__":
    keep(
        "small_students",
        {
            "teacher": {
                "accuracy": 100 * float(accuracy(teacher())),
                "numbers": size(teacher()),
            },
            "students": [row for r in WIDTHS for row in compare(r, 10, 10)],
            "more pictures": compare("1/16", 80, 5),
        },
    )

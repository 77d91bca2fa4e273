"""Parquet, through pyarrow."""

from pathlib import Path

import numpy as np

from osculate.core import InputError, require

from ._columns import Columns


def read_parquet(path: Path) -> Columns:
    """Returns the columns of a Parquet file; an index that pandas wrote is left out.

    Args:
        path: The file.

    Returns:
        The columns.

    Raises:
        InputError: If pyarrow is missing, or the file is damaged or has no rows.
    """
    parquet = require("pyarrow.parquet", extra="io", task="reading Parquet")
    try:
        table = parquet.ParquetFile(path).read()
    except Exception as error:  # ArrowInvalid, OSError, OverflowError: all damage
        raise InputError(
            f"{path.name}: the Parquet file is damaged or cut short "
            f"({str(error).splitlines()[0][:120]}).\n"
            "Save or copy it again."
        ) from error
    kept = [
        (name, column)
        for name, column in zip(table.column_names, table.columns, strict=True)
        if not name.startswith("__index_level_")
    ]
    if not table.num_rows or not kept:
        raise InputError(f"{path.name}: the file has no rows of data.\nAdd rows.")

    def cells(position: int) -> np.ndarray:
        return np.asarray(kept[position][1].to_numpy())

    return Columns(path.name, tuple(name for name, _ in kept), cells)

"""What a straight line needs of an abalone; each function looks at one row at a time.

The columns "Whole weight.1" and "Whole weight.2" are the shucked and the viscera weight of the UCI data set.
"""

from __future__ import annotations

import numpy as np
import pandas as pd


def logarithms(rows: pd.DataFrame) -> pd.DataFrame:
    """Logarithms of lengths and weights, in which proportions are sums; trees don't need them, networks do."""
    sizes = rows[["Length", "Diameter", "Height", "Whole weight", "Whole weight.1", "Whole weight.2", "Shell weight"]]
    return np.log(sizes.where(sizes > 0)).add_prefix("log ")

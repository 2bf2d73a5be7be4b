"""Change of a photo outside the parts that an edit is about, in grey levels."""

import numpy as np
from jaxtyping import Bool, UInt8


def change_outside(before: UInt8[np.ndarray, "s s 3"], after: UInt8[np.ndarray, "s s 3"], mask: Bool[np.ndarray, "s s"]) -> float:
    """Mean |change| of the pixels outside the mask, over the three colours; NaN where the mask covers the whole crop."""
    outside = ~mask
    return float(np.abs(after[outside].astype(np.int16) - before[outside]).mean()) if outside.any() else np.nan

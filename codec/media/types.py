"""Array types that every package shares."""

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
"""8-bit pictures: (H, W, 3) RGB or YCbCr unless stated otherwise."""
Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Float32 = npt.NDArray[np.float32]
"""Sound in [-1, 1], pictures in [0, 1], features."""
Float64 = npt.NDArray[np.float64]

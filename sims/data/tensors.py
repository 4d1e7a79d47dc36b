"""From a data set's bytes to the tensors that networks and modifications take."""

import numpy as np
import torch

from localnoise.sims.data.idx import Bytes

PIXELS = (0.0, 1.0)
"""The bounds of what `to_tensor` gives: black and white."""


def to_tensor(images: Bytes) -> torch.Tensor:
    """Images (N, 28, 28) of uint8 as (N, 1, 28, 28) float32 in [0, 1]: divided by 255."""
    return torch.from_numpy(np.divide(images, 255, dtype=np.float32)[:, None])

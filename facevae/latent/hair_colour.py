"""Hair colour in latent space: how a move changes it, and moves that change it alone."""

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from facevae.latent.directions import holding


class HairColour:
    """Linear in z: `slopes` (3, d) give the change of L*, a* and b* (CIELAB) of the hair; L Lᵀ is the encodings' covariance."""

    def __init__(self, slopes: Float[Tensor, "3 d"], cholesky: Float[Tensor, "d d"]) -> None:
        self.slopes, self.cholesky = slopes, cholesky
        self.steps: Float[Tensor, "3 d"] = slopes @ cholesky @ cholesky.T
        """The cheapest moves that change each of the three."""

    def shift(self, move: Float[Tensor, " d"]) -> Float32[np.ndarray, " 3"]:
        """How a move changes the colour of hair."""
        return (self.slopes @ move).numpy()

    def move(self, shift: Float32[np.ndarray, " 3"]) -> Float[Tensor, " d"]:
        """The cheapest move that changes the colour by this much."""
        return torch.linalg.pinv(self.slopes @ self.steps.T) @ torch.from_numpy(shift).float() @ self.steps

    @property
    def without(self) -> Float[Tensor, "d d"]:
        """The matrix that takes what changes the colour of hair out of a move: matrix @ move."""
        return holding(self.steps, self.cholesky)

"""Make-up in latent space: how much of it a move puts on, and the move without it."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from facevae.latent.directions import Direction

MAKEUP, LIPSTICK = "Heavy_Makeup", "Wearing_Lipstick"
FULL = 4.0
"""Strength along a direction, in σ, that is make-up in full."""
TRACE, MOST = 0.08, 1.5
"""Less of the full is none; more than this is not worn."""
PALEST_LIPS = -0.4
"""Lips can lose a little of their own red; what lids wear cannot be seen through."""


class MakeupMoves:
    """The directions of make-up among those of a checkpoint, whose encodings have the covariance L Lᵀ.

    A move is read as a sum of all directions: what makes somebody look feminine goes along with make-up in the data, and is none.
    """

    def __init__(self, directions: Mapping[str, Direction], cholesky: Float[Tensor, "d d"]) -> None:
        self.names = [name for name in (MAKEUP, LIPSTICK) if name in directions]
        self.steps: Float[Tensor, "m d"] = torch.stack([directions[name].step for name in self.names] or [cholesky[0]])[: len(self.names)]
        every = torch.stack([direction.step for direction in directions.values()] or [cholesky[0]]).T
        white = torch.linalg.solve_triangular(cholesky, every, upper=False).double()
        rows = [list(directions).index(name) for name in self.names]
        self._read = torch.linalg.pinv(white)[rows] @ torch.linalg.inv(cholesky.double())  # (m, d)
        self.held: Float[Tensor, "m d"] = (self._read @ cholesky.double() @ cholesky.double().T).to(cholesky.dtype)
        """The steps along which nothing may move (see `facevae.latent.directions.hold`) where make-up shall stay."""

    @property
    def without(self) -> Float[Tensor, "d d"]:
        """The matrix that takes make-up out of a move: matrix @ move."""
        taken = self.steps.double().T @ self._read
        return (torch.eye(len(taken), dtype=taken.dtype) - taken).to(self.steps.dtype)

    def strengths(self, move: Float[Tensor, " d"]) -> dict[str, float]:
        """How far a move goes along each of the directions of make-up, in σ."""
        return dict(zip(self.names, (self._read @ move.double()).tolist(), strict=True))

    def amounts(self, move: Float[Tensor, " d"]) -> tuple[float, float]:
        """How much make-up in full a move puts on lips and on the rest of the face."""
        strengths = {name: strength / FULL for name, strength in self.strengths(move).items()}
        face = strengths.get(MAKEUP, 0.0)
        return max(_worn(face + strengths.get(LIPSTICK, 0.0)), PALEST_LIPS), max(_worn(face), 0.0)


def _worn(amount: float) -> float:
    beyond = max(abs(amount) - TRACE, 0.0)
    return min(beyond / (1 - TRACE), MOST) * (1 if amount > 0 else -1)

"""Inversion: refine a latent by L-BFGS so that its picture is nearer to a given crop.

Written out, not torch.optim.LBFGS: a step here is accepted only where it lowers the loss without lowering the PSNR, in units of the
encoder's posterior, and the best latent so far can be shown, or the search stopped, after every step.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

FIRST_STEP = 6.0  # length of the first step in standard deviations of the posterior; halved where it is too long
ARMIJO = 1e-4  # a step must lower the loss by this share of what its slope promises
TINY = 1e-12


@dataclass(frozen=True)
class InversionConfig:
    """Weights and limits of the descent. The pixel and the feature term are both 1 at the encoder's latent."""

    steps: int = 30
    """Evaluations of the decoder and its gradient, the start not counted; 60 at most."""
    feature: float = 0.1
    """Weight of the feature term; 0 leaves the features out, and saves their time."""
    prior: float = 0.6
    """Weight of the mean square of the move, each axis in standard deviations of the encodings."""
    background: float = 0.25
    """Weight of a pixel outside of the mask, where one inside weighs 1."""
    plateau: float = 0.002
    """Stop where the last `patience` steps have lowered the loss by less than this share of it."""
    patience: int = 4
    memory: int = 12
    """Pairs of steps and gradient changes that the curvature is read from."""

    def __post_init__(self) -> None:
        if not 0 <= self.steps <= 60:
            raise ValueError(f"steps must lie between 0 and 60, not {self.steps}")
        if min(self.feature, self.prior, self.background) < 0 or self.patience < 1 or self.memory < 1:
            raise ValueError("weights of an inversion cannot be negative, patience and memory must be at least 1")


@dataclass(frozen=True)
class InversionStep:
    """The best latent (d,) after `index` evaluations, its picture (1, c, s, s) and the PSNR of that picture.

    `psnr_db` compares the whole crop, without any mask, with the picture clamped to [0, 1] (peak 1).
    """

    index: int
    latent: Float[Tensor, " d"]
    picture: Float[Tensor, "1 c s s"]
    psnr_db: float
    done: bool


def refine(
    decode: Callable[[Tensor], Tensor],
    features: Callable[[Tensor], Sequence[Tensor]],
    crop: Float[Tensor, "1 c s s"],
    mask: Float[Tensor, "1 1 s s"],
    z0: Float[Tensor, " d"],
    spread: Float[Tensor, " d"],
    cholesky: Float[Tensor, "d d"],
    config: InversionConfig = InversionConfig(),
) -> Iterator[InversionStep]:
    """Yield ever better latents of `crop` (in [0, 1]), from the encoder's `z0` on; the first step is `z0` itself.

    `decode` gives the picture (1, c, s, s) of a latent (1, d), `features` a few maps of a picture.
    `spread` is the standard deviation of the encoder's posterior, `cholesky` the lower factor of the
    covariance of the encodings. The loss is

        E(z) / E(z0) + feature · mean over maps of F(z) / F(z0) + prior · mean of u²,   z = z0 + cholesky u,

    E the squared error under the mask, F that of a feature map. It is lowered by L-BFGS (Nocedal and
    Wright, Numerical Optimization, 2006, algorithm 7.5, backtracking) in units of the posterior: the encoder
    has learned how sharply the picture depends on each axis, and in these units the first steps
    already go far. A latent replaces the best one where it lowers the loss and does not lower the
    PSNR. No randomness; the networks' weights stay as they are; works from any thread and any
    gradient mode; closing the generator at any step is safe.
    """
    # Tensors born under inference_mode cannot take part in a gradient: the search works on its own copies.
    with torch.inference_mode(False), torch.no_grad():
        crop, mask, z0, spread, cholesky = (t.clone() for t in (crop, mask, z0, spread, cholesky))
        objective = _Objective(decode, features, crop, mask, z0, spread, cholesky, config)
        at = objective(torch.zeros_like(z0))
        curvature = _Curvature(config.memory)
        walk = -at.gradient * (FIRST_STEP / at.gradient.norm().clamp(min=1e-12))
        best = InversionStep(0, z0, at.picture, psnr_db(crop, at.picture), config.steps == 0)
    yield best
    share, lowest, kept = 1.0, [at.loss], at.loss
    for index in range(1, config.steps + 1):
        # Modes belong to the thread and to this step alone, not to whoever runs between two yields.
        with torch.inference_mode(False), torch.no_grad():
            trial = objective(at.v + share * walk)
            slope = float(at.gradient @ walk)
            if trial.loss <= at.loss + ARMIJO * share * slope:
                curvature.learn(trial.v - at.v, trial.gradient - at.gradient)
                at, share = trial, 1.0
                walk = -curvature.solve(at.gradient)
                psnr = psnr_db(crop, at.picture)
                if at.loss < kept and psnr >= best.psnr_db:
                    best, kept = InversionStep(index, z0 + spread * at.v, at.picture, psnr, False), at.loss
            else:
                share *= _shorter(at.loss, slope * share, trial.loss)
            lowest.append(at.loss)
            stuck = len(lowest) > config.patience and lowest[-1 - config.patience] - lowest[-1] < config.plateau * lowest[-1]
        best = replace(best, index=index, done=stuck or index == config.steps)
        yield best
        if best.done:
            return


@dataclass(frozen=True)
class _Point:
    """A place of the search in units of the posterior, with all that one evaluation tells about it."""

    v: Tensor
    loss: float
    gradient: Tensor
    picture: Tensor


class _Objective:
    """The loss of `refine` and its gradient, at z0 + spread · v."""

    def __init__(
        self,
        decode: Callable[[Tensor], Tensor],
        features: Callable[[Tensor], Sequence[Tensor]],
        crop: Tensor,
        mask: Tensor,
        z0: Tensor,
        spread: Tensor,
        cholesky: Tensor,
        config: InversionConfig,
    ) -> None:
        self.decode, self.features, self.crop, self.z0, self.spread, self.config = decode, features, crop, z0, spread, config
        weight = config.background + (1 - config.background) * mask
        self.weight = weight / weight.mean()
        # u = cholesky⁻¹ · spread · v, as one product
        self.to_prior = torch.linalg.solve_triangular(cholesky, torch.diag(spread), upper=False)
        self.seen = list(features(crop)) if config.feature else []
        start = decode(z0[None])
        self.pixel_start = self._pixels(start).clamp(min=TINY)
        self.feature_start = [error.clamp(min=TINY) for error in self._features(start)]

    def _pixels(self, picture: Tensor) -> Tensor:
        return (self.weight * (picture - self.crop).square()).mean()

    def _features(self, picture: Tensor) -> list[Tensor]:
        if not self.config.feature:
            return []
        return [(f - g).square().mean() for f, g in zip(self.features(picture), self.seen, strict=True)]

    def __call__(self, v: Tensor) -> _Point:
        with torch.enable_grad():
            v = v.detach().requires_grad_(True)
            picture = self.decode((self.z0 + self.spread * v)[None])
            loss = self._pixels(picture) / self.pixel_start + self.config.prior * (self.to_prior @ v).square().mean()
            for error, start in zip(self._features(picture), self.feature_start, strict=True):
                loss = loss + self.config.feature / len(self.feature_start) * error / start
            (gradient,) = torch.autograd.grad(loss, [v])
        return _Point(v.detach(), loss.item(), gradient, picture.detach())


class _Curvature:
    """L-BFGS's picture of the inverse Hessian: the last steps, and how the gradient changed along them."""

    def __init__(self, memory: int) -> None:
        self.pairs: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=memory)

    def learn(self, step: Tensor, change: Tensor) -> None:
        """Remember a pair, unless the loss is not convex along it."""
        product = float(step @ change)
        if product > 1e-10 * float(step.norm() * change.norm()):
            self.pairs.append((step, change, product))

    def solve(self, gradient: Tensor) -> Tensor:
        """The inverse Hessian times `gradient`, by the two-loop recursion."""
        if not self.pairs:
            return gradient * (FIRST_STEP / gradient.norm().clamp(min=1e-12))
        q, shares = gradient.clone(), []
        for step, change, product in reversed(self.pairs):
            shares.append(float(step @ q) / product)
            q -= shares[-1] * change
        _, change, product = self.pairs[-1]
        q *= product / float(change @ change)
        for (step, change, product), share in zip(self.pairs, reversed(shares), strict=True):
            q += (share - float(change @ q) / product) * step
        return q


def _shorter(loss: float, slope: float, tried: float) -> float:
    """Where a parabola through the loss, its slope (negative) and the failed trial has its minimum, kept within 0.1 … 0.5."""
    curved = 2 * (tried - loss - slope)
    return min(0.5, max(0.1, -slope / curved)) if curved > 0 else 0.5


def psnr_db(crop: Float[Tensor, "1 c s s"], picture: Float[Tensor, "1 c s s"]) -> float:
    """Peak signal-to-noise ratio of the whole crop in dB, peak 1, the picture clamped to [0, 1]."""
    return float(-10 * torch.log10((crop - picture.clamp(0, 1)).square().mean().clamp(min=TINY)))

"""Label guidance: gradient steps on a latent until a classifier sees the wanted labels."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class GuidanceConfig:
    """Weights and limits of the search."""

    steps: int = 40
    rate: float = 0.04
    """Adam's step, in standard deviations of the encodings."""
    target: float = 0.9
    """Stop where every wanted label has at least this probability."""
    keep: float = 0.02
    """Weight of the mean squared change of the other logits."""
    prior: float = 0.01
    """Weight of the squared Mahalanobis length of the move."""
    radius: float = 5.5
    """Longest move, in standard deviations of the encodings: beyond it only the classifier is pleased, not the eye."""


@dataclass(frozen=True)
class Step:
    """One step of the search: the move (d,), the picture (1, c, h, w), the probability of the hardest wanted label."""

    index: int
    move: Float[Tensor, " d"]
    picture: Float[Tensor, "1 c h w"]
    probability: float
    done: bool


def guide(
    render: Callable[[Tensor], Tensor],
    classify: Callable[[Tensor], Tensor],
    start: Float[Tensor, " d"],
    cholesky: Float[Tensor, "d d"],
    wanted: Bool[Tensor, " a"],
    mask: Bool[Tensor, " a"],
    config: GuidanceConfig = GuidanceConfig(),
) -> Iterator[Step]:
    """Yield moves of z, from `start` on, towards the `wanted` labels under `mask`.

    `render` gives the picture (1, c, h, w) of a move (d,), `classify` its logits (1, a). The move is
    L·u with L Lᵀ the covariance of the encodings, so that Adam on u walks where faces differ from
    each other, not where a classifier is easily fooled. Loss: binary cross-entropy to the wanted
    labels, plus a little for every other logit that changes and for the length of u. Weights of the
    networks stay as they are; works from any thread.
    """
    with torch.no_grad():
        before = classify(render(torch.zeros_like(start)))
    u = torch.linalg.solve_triangular(cholesky, start[:, None], upper=False)[:, 0].clone().requires_grad_(True)
    optimizer = torch.optim.Adam([u], lr=config.rate, betas=(0.8, 0.95))
    target = wanted.float()[None]
    for index in range(config.steps + 1):
        # Gradient mode belongs to the thread and to this step alone, not to whoever runs between two yields.
        with torch.enable_grad():
            move = cholesky @ u
            picture = render(move)
            logits = classify(picture)
            label_loss = F.binary_cross_entropy_with_logits(logits[:, mask], target[:, mask])
            keep_loss = (logits - before)[:, ~mask].square().mean() if bool((~mask).any()) else logits.new_zeros(())
            loss = label_loss + config.keep * keep_loss + config.prior * u.square().sum() / 2
            probability = torch.where(target.bool(), logits.sigmoid(), 1 - logits.sigmoid())[:, mask].min().item()
            done = probability >= config.target or index == config.steps
            if not done:
                (u.grad,) = torch.autograd.grad(loss, [u])
        yield Step(index, move.detach().clone(), picture.detach(), probability, done)
        if done:
            return
        optimizer.step()
        with torch.no_grad():
            u.mul_(min(1.0, config.radius / max(u.norm().item(), 1e-12)))

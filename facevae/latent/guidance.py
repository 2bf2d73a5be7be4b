"""Classifier guidance: gradient steps on a latent until a picture has the wanted labels."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

MOMENTUM = (0.8, 0.95)  # Adam's: of the gradient, and of its length
SHIFT = 0.03  # of the picture's side
LIGHT = 0.15  # of the contrast


@dataclass(frozen=True)
class GuidanceConfig:
    """Weights and limits of the search."""

    steps: int = 16
    target: float = 0.9
    """Stop where every wanted label has at least this probability."""
    rate: float = 0.15
    """Root mean square of a step over the axes, in standard deviations of the encodings."""
    keep: float = 0.5
    """Weight of the mean weighted squared change of the other logits."""
    identity: float = 0.1
    """Weight of the squared distance of the features from those before, over their squared length."""
    prior: float = 0.002
    """Weight of half the squared Mahalanobis length of the move."""
    radius: float = 7.0
    """Longest move, in standard deviations of the encodings: further away skin turns golden with the hair
    and eyes go black."""
    views: int = 2
    """Pictures a step: the one that the user gets, and others near it."""
    noise: float = 0.3
    """How far the others' latents lie away on each axis, in standard deviations of the encodings."""
    grain: float = 0.04
    """Standard deviation of the noise on the others' pixels."""
    gain: float = 0.01
    """Stop where the best probability has not risen by this much ..."""
    patience: int = 6
    """... over so many steps."""

    def __post_init__(self) -> None:
        if not 0 < self.target < 1 or not 1 <= self.steps <= 500:
            raise ValueError(f"target {self.target:g} must lie between 0 and 1 and steps {self.steps} between 1 and 500")
        if self.views < 1 or self.patience < 1:
            raise ValueError(f"views {self.views} and patience {self.patience} of a guidance must be at least 1")


@dataclass(frozen=True)
class SearchStep:
    """One step of the search: the whole move (d,), the logits of its picture (a,), the probability of the hardest wanted label.

    `loss` is the mean over the views. `reason` is "" while the search goes on, then "target", "plateau" or "steps".
    """

    index: int
    move: Float[Tensor, " d"]
    logits: Float[Tensor, " a"]
    probability: float
    loss: float
    reason: str

    @property
    def done(self) -> bool:
        return bool(self.reason)


@dataclass(frozen=True)
class Wish:
    """What is asked of the labels, each (a,): their values under `mask`, and how much a squared change of each other logit weighs."""

    wanted: Bool[Tensor, " a"]
    mask: Bool[Tensor, " a"]
    keep: Float[Tensor, " a"]

    @classmethod
    def of(
        cls, wanted: Bool[Tensor, " a"], mask: Bool[Tensor, " a"], correlation: Float[Tensor, "a a"], spread: Float[Tensor, " a"]
    ) -> "Wish":
        """Changes count in `spread`, the logits' standard deviations over photos, and less where a label goes along with a
        wanted one by nature: 1 - |correlation|."""
        if not mask.any():
            raise ValueError("nothing was asked for: name at least one attribute")
        return cls(wanted, mask, (1 - correlation[mask].abs().amax(dim=0)).clamp(min=0) / spread.square() * ~mask)


def guide(
    render: Callable[[Tensor], Tensor],
    embed: Callable[[Tensor], Tensor],
    head: Callable[[Tensor], Tensor],
    origin: Float[Tensor, " d"],
    starts: Float[Tensor, "k d"],
    cholesky: Float[Tensor, "d d"],
    wish: Wish,
    generator: torch.Generator,
    project: Callable[[Tensor], Tensor] | None = None,
    config: GuidanceConfig = GuidanceConfig(),
) -> Iterator[SearchStep]:
    """Yield moves of z, from `origin` on, towards the wish.

    `render` gives the pictures (b, c, h, w) of moves (b, d), `embed` a classifier's features of them, `head` the logits of
    features. What guidance adds to `origin` is project(L·u), with L Lᵀ the covariance of the encodings, so that steps on u
    walk where faces differ from each other. It begins with the gentlest of `starts` (in that order) that reaches the target, else with
    that of the least loss. The loss is

        summed cross-entropy of the wanted labels + keep · change of the other logits + identity · change of the features + prior · |u|²/2,

    the mean over the picture itself and views of it, moved at random in z, shifted, mirrored, in other light and noisy: what
    convinces the classifier in all of them is more likely to convince others. Weights of the networks stay as they are; works from any
    thread and any gradient mode; the same generator state gives the same steps.
    """
    with torch.inference_mode(False), torch.no_grad():
        # Tensors born under inference_mode cannot take part in a gradient: the search works on its own copies.
        wish = Wish(wish.wanted.clone(), wish.mask.clone(), wish.keep.clone())
        objective = _Objective(render, embed, head, origin.clone(), cholesky.clone(), wish, project, config)
        u = objective.choose(starts)
        walk, length = torch.zeros_like(u), torch.zeros(())
    best: list[float] = []
    for index in range(config.steps + 1):
        # Modes belong to the thread and to this step alone, not to whoever runs between two yields.
        with torch.inference_mode(False), torch.enable_grad():
            u.requires_grad_(True)
            losses, logits = objective(_near(u, generator, config), generator)
            loss, probability = losses.mean(), objective.probability(logits.detach())[0].item()
            best.append(max([probability, *best[-1:]]))
            stuck = index >= config.patience and best[-1] < best[-1 - config.patience] + config.gain
            reason = "target" if probability >= config.target else "steps" if index == config.steps else "plateau" if stuck else ""
            if not reason:
                (gradient,) = torch.autograd.grad(loss, [u])
            move = objective.move(u.detach()[None])[0]
        yield SearchStep(index, move, logits[0].detach(), probability, loss.item(), reason)
        if reason:
            return
        with torch.inference_mode(False), torch.no_grad():
            # Adam (Kingma and Ba, 2015) with one scale for all axes: with one for each, axes of mere noise walk as far as the others.
            walk = MOMENTUM[0] * walk + (1 - MOMENTUM[0]) * gradient
            length = MOMENTUM[1] * length + (1 - MOMENTUM[1]) * gradient.square().mean()
            mean, scale = walk / (1 - MOMENTUM[0] ** (index + 1)), (length / (1 - MOMENTUM[1] ** (index + 1))).sqrt()
            u = objective.within(u.detach() - config.rate * mean / (scale + 1e-12))


class _Objective:
    """The loss of `guide` for each of a batch of u."""

    def __init__(
        self,
        render: Callable[[Tensor], Tensor],
        embed: Callable[[Tensor], Tensor],
        head: Callable[[Tensor], Tensor],
        origin: Tensor,
        cholesky: Tensor,
        wish: Wish,
        project: Callable[[Tensor], Tensor] | None,
        config: GuidanceConfig,
    ) -> None:
        self.render, self.embed, self.head, self.origin, self.cholesky = render, embed, head, origin, cholesky
        self.wish, self.project, self.config = wish, project, config
        self.features = embed(render(origin[None]))
        self.logits = head(self.features)

    def move(self, u: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        added = u @ self.cholesky.T
        added = added if self.project is None else torch.stack([self.project(row) for row in added])
        return self.origin + added

    def within(self, u: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Cut to the longest move."""
        return u * (self.config.radius / u.norm(dim=-1, keepdim=True).clamp(min=1e-12)).clamp(max=1)

    def choose(self, starts: Float[Tensor, "k d"]) -> Float[Tensor, " d"]:
        """u of the start to begin with."""
        u = self.within(torch.linalg.solve_triangular(self.cholesky, starts.T, upper=False).T)
        losses, logits = self(u)
        reached = (self.probability(logits) >= self.config.target).nonzero()[:, 0]
        chosen = reached[0] if len(reached) else losses.argmin()
        return u[chosen].clone()

    def probability(self, logits: Float[Tensor, "b a"]) -> Float[Tensor, " b"]:
        """That of the hardest wanted label."""
        right = torch.where(self.wish.wanted, logits, -logits).sigmoid()
        return right[:, self.wish.mask].amin(dim=1)

    def __call__(self, u: Float[Tensor, "b d"], generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Losses (b,) and logits (b, a); with a generator all pictures but the first are roughened."""
        pictures, config, wish = self.render(self.move(u)), self.config, self.wish
        if generator is not None and len(pictures) > 1:
            pictures = torch.cat([pictures[:1], _roughen(pictures[1:], generator, config.grain)])
        features = self.embed(pictures)
        logits = self.head(features)
        target = wish.wanted.to(logits.dtype).expand_as(logits)
        labels = F.binary_cross_entropy_with_logits(logits, target, reduction="none")[:, wish.mask].sum(dim=1)
        kept = ((logits - self.logits).square() * wish.keep).sum(dim=1) / (~wish.mask).sum().clamp(min=1)
        person = (features - self.features).square().sum(dim=1) / self.features.square().sum().clamp(min=1e-12)
        return labels + config.keep * kept + config.identity * person + config.prior * u.square().sum(dim=1) / 2, logits


def _near(u: Float[Tensor, " d"], generator: torch.Generator, config: GuidanceConfig) -> Float[Tensor, "v d"]:
    """u itself, and others around it."""
    noise = config.noise * torch.randn((config.views - 1, len(u)), generator=generator, dtype=u.dtype)
    return torch.cat([u[None], u + noise])


def _roughen(x: Float[Tensor, "b c h w"], generator: torch.Generator, grain: float) -> Float[Tensor, "b c h w"]:
    """Shifted (wrapping around), mirrored or not, in other light, noisy: none of that changes a label."""
    reach = round(SHIFT * x.shape[-1])
    down, right = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
    contrast, light, mirror = torch.rand(3, generator=generator).tolist()
    x = torch.roll(x, (down, right), dims=(2, 3))
    x = (x - 0.5) * (1 + LIGHT * (2 * contrast - 1)) + 0.5 + LIGHT * (light - 0.5)
    x = x + grain * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    return x.flip(-1) if mirror < 0.5 else x

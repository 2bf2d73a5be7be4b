"""Latent flow, the prior of faces: draws labels, then an encoding from noise under them.

Conditional flow matching (Lipman et al., Flow Matching for Generative Modeling, 2023): a net learns the velocity that carries N(0, I)
noise at t = 0 to the whitened encodings of the data at t = 1.
"""

import math
from collections.abc import Collection, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from facevae.latent.paths import noise_from_seed
from facevae.latent.priors import GaussianMixture
from facevae.nets.velocity import VelocityConfig, VelocityNet, query_of

STEPS = 16
GUIDANCE = 1.5
"""Of a draw: v(unknown) + 1.5 (v(labels) - v(unknown)) (Ho and Salimans, Classifier-Free Diffusion Guidance, 2022)."""
ROWS = 16
"""Latents are drawn in blocks of so many rows, filled up: a product of matrices rounds by its number of rows, so a face would depend on its
neighbours."""
PROBES = 1
"""On the embedded flow one errs by 4 nats a face, where faces differ by 32; each costs 20 ms a face."""
SURE_LOGIT = 5.0
TOGETHER = 0.65
"""Labels whose logits are correlated by more follow a wanted one: told that nobody has high cheekbones, the flow draws few smiles."""


def identities(count: int, size: int) -> Float[Tensor, "k n n"]:
    """Identity matrices. On the device "meta", where checkpoints build their nets, torch.eye imports a compiler."""
    found = torch.zeros(count, size, size)
    found.diagonal(dim1=1, dim2=2).fill_(1)
    return found


class ConditionalFlow(nn.Module):
    """A velocity net between N(0, I) and encodings whitened by their `mean` (d,) and `cholesky` (d, d).

    Labels are (b, a), from -1 (sure not) over 0 (unknown) to 1 (sure), in the order of the checkpoint's attributes. `label_logits`, a
    mixture of `components`, says which labels go together: log(p / (1 - p)) of the share p of faces that have them.
    """

    def __init__(self, config: VelocityConfig, components: int = 1) -> None:
        super().__init__()
        self.config = config
        self.net = VelocityNet(config)
        self.register_buffer("mean", torch.zeros(config.latent))
        self.register_buffer("cholesky", identities(1, config.latent)[0])
        self.register_buffer("label_weights", torch.full((components,), 1 / components))
        self.register_buffer("label_means", torch.zeros(components, config.labels))
        self.register_buffer("label_cholesky", identities(components, config.labels))

    @property
    def covariance(self) -> Float[Tensor, "d d"]:
        """Covariance of the encodings that the flow was fitted to."""
        return self.cholesky @ self.cholesky.T

    @property
    def label_logits(self) -> GaussianMixture:
        """What labels are drawn from."""
        return GaussianMixture(self.label_weights, self.label_means, self.label_cholesky)

    def set_labels(self, logits: GaussianMixture) -> None:
        """Draw labels from this mixture from now on."""
        self.label_weights, self.label_means, self.label_cholesky = logits.weights, logits.means, logits.cholesky

    def whiten(self, z: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """Encodings with mean 0 and covariance I."""
        return torch.linalg.solve_triangular(self.cholesky, (z - self.mean).T, upper=False).T

    def colour(self, u: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """The inverse of `whiten`."""
        return self.mean + u @ self.cholesky.T

    def flow(
        self,
        x: Float[Tensor, "b d"],
        begin: float,
        end: float,
        labels: Float[Tensor, "b a"],
        away_from: Float[Tensor, "b a"] | None = None,
        guidance: Float[Tensor, " b"] | None = None,
        steps: int = STEPS,
    ) -> Float[Tensor, "b d"]:
        """Points carried from time `begin` to `end` by Heun's method.

        With `away_from`, the velocity is v(away_from) + guidance · (v(labels) - v(away_from)).
        """
        h = (end - begin) / steps

        def velocity(x: Tensor, t: float) -> Tensor:
            times = x.new_full((len(x),), t)
            if away_from is None or guidance is None:
                return self.net(query_of(x, times, labels))
            both = query_of(torch.cat([x, x]), torch.cat([times, times]), torch.cat([labels, away_from]))
            to, away = self.net(both).chunk(2)
            return away + guidance[:, None] * (to - away)

        for step in range(steps):
            t = begin + step * h
            first = velocity(x, t)
            x = x + h / 2 * (first + velocity(x + h * first, t + h))
        return x

    def from_seed(self, seed: int, temperature: float = 1.0) -> Float[Tensor, " d"]:
        """The latent of this seed; see `from_seeds`."""
        return self.from_seeds([seed], temperature)[0]

    @torch.no_grad()
    def from_seeds(
        self, seeds: Sequence[int], temperature: float = 1.0, wanted: Mapping[int, bool] = {}, held: Collection[int] = ()
    ) -> Float[Tensor, "b d"]:
        """The latents of these seeds, each the same in any company; labels at the positions `wanted` are as wanted, the others drawn.

        Whatever is wanted, a seed has the same noise and, but for labels that nearly always go with a wanted one and are not `held`, the
        same other labels: it stays the same person. Temperature scales the noise and the spread of labels inside a component; at 0 every
        seed is the one latent of its component.
        """
        return torch.cat([self._block(seeds[i : i + ROWS], temperature, wanted, held) for i in range(0, len(seeds), ROWS)])

    def _block(self, seeds: Sequence[int], temperature: float, wanted: Mapping[int, bool], held: Collection[int]) -> Float[Tensor, "b d"]:
        d, mixture, device = self.config.latent, self.label_logits, self.mean.device
        filled = [*seeds, *[seeds[0]] * (ROWS - len(seeds))]
        noise = torch.stack([noise_from_seed(seed, d + self.config.labels + 1) for seed in filled]).to(device)
        logits = torch.stack([mixture.point(row, temperature) for row in noise[:, d:]])
        labels = 2 * followed(logits, mixture.covariance, wanted, held).sigmoid() - 1
        for position, want in wanted.items():
            labels[:, position] = 1.0 if want else -1.0
        guidance = labels.new_full((ROWS,), GUIDANCE)
        return self.colour(self.flow(temperature * noise[:, :d], 0.0, 1.0, labels, torch.zeros_like(labels), guidance))[: len(seeds)]

    @torch.no_grad()
    def log_prob(self, z: Float[Tensor, "b d"], probes: int = PROBES, steps: int = STEPS) -> Float[Tensor, " b"]:
        """log p(z) in nats where no label is known: that of the noise that leads to z, less the divergence on the way.

        The trace of the Jacobian is estimated by `probes` random signs, the same for every row and call (Hutchinson, 1990; Grathwohl et
        al., FFJORD, 2019).
        """
        x, h = self.whiten(z), -1.0 / steps
        signs = torch.randint(0, 2, (probes, z.shape[1]), generator=torch.Generator().manual_seed(0)).to(z) * 2 - 1
        signs = signs.repeat_interleave(len(z), 0)  # (probes b, d)
        labels, total = z.new_zeros(len(signs), self.config.labels), z.new_zeros(len(z))

        def rates(x: Tensor, t: float) -> tuple[Tensor, Tensor]:
            times = x.new_full((len(signs),), t)
            found, moved = torch.func.jvp(lambda x: self.net(query_of(x, times, labels)), (x.repeat(probes, 1),), (signs,))
            return found[: len(x)], (moved * signs).sum(1).unflatten(0, (probes, -1)).mean(0)

        for step in range(steps):
            t = 1 + step * h
            first, trace = rates(x, t)
            second, other = rates(x + h * first, t + h)
            x, total = x + h / 2 * (first + second), total + h / 2 * (trace + other)
        inside = -0.5 * x.square().sum(1) - 0.5 * x.shape[1] * math.log(2 * math.pi)
        # Running back, `total` is minus the divergence from noise to data.
        return inside + total - self.cholesky.diagonal().log().sum()


def followed(
    logits: Float[Tensor, "b a"], covariance: Float[Tensor, "a a"], wanted: Mapping[int, bool], held: Collection[int]
) -> Float[Tensor, "b a"]:
    """Logits of labels after those at the positions `wanted` are made sure: others that go with them follow by regression."""
    if not wanted:
        return logits
    places, spread = list(wanted), covariance.diagonal().sqrt()
    sign = logits.new_tensor([1.0 if want else -1.0 for want in wanted.values()])
    moves = sign * (SURE_LOGIT - sign * logits[:, places]).clamp(min=0)  # (b, w)
    slopes = torch.linalg.solve(covariance[places][:, places], covariance[places])  # (w, a)
    together = (covariance[places] / spread[places, None] / spread).abs().amax(0) > TOGETHER
    together[[position for position in held if position not in wanted]] = False
    return logits + moves @ slopes * together

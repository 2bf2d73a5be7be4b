"""A scalar linear VAE with known log p(x): the ELBO against its closed form."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from facevae.nets.gaussian import DiagonalGaussian
from train.report.page import ReportPage
from train.report.plots import COLOURS, panels
from train.report.verdicts import verdict
from train.vae.losses import GaussianLikelihood, elbo

DATA_MEAN, DATA_DEVIATION, DATA_COUNT = 0.8, 0.05, 20
DRAWS = 200


def scalar_data(seed: int = 0) -> Float64[Tensor, " n"]:
    """The data: scalars around 0.8 with a small deviation."""
    noise = torch.randn(DATA_COUNT, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return DATA_MEAN + DATA_DEVIATION * noise


@dataclass(frozen=True)
class ScalarVAE:
    """p(z) = N(0, 1), p(x | z) = N(θ + w z, s²), q(z | x) = N(k (x − centre) + φ, spread²).

    k and spread are those of the true posterior, which is q itself when θ = centre and φ = 0. A shift of θ moves the
    true posterior, a shift of φ moves q; the two meet again at θ = `meeting(φ)`.
    Source: Tipping and Bishop, Probabilistic Principal Component Analysis (1999), eqs. 6 and 8, in one dimension.
    """

    centre: float
    """The best θ, the mean of the data, around which the encoder is built."""
    w: float = 0.04
    s: float = 0.03
    """w² + s² is the variance of the data."""

    @property
    def variance(self) -> float:
        """Of p(x)."""
        return self.w**2 + self.s**2

    def posterior(self, x: Float64[Tensor, " n"], theta: float) -> DiagonalGaussian:
        """The true p(z | x), one row for each x."""
        mean = self.w / self.variance * (x - theta)
        return DiagonalGaussian(mean[:, None], torch.full_like(mean, math.log(self.s**2 / self.variance))[:, None])

    def encode(self, x: Float64[Tensor, " n"], phi: float) -> DiagonalGaussian:
        """q(z | x), one row for each x."""
        best = self.posterior(x, self.centre)
        return DiagonalGaussian(best.mean + phi, best.logvar)

    def meeting(self, phi: float) -> float:
        """The θ at which q with this φ is the true posterior."""
        return self.centre - phi * self.variance / self.w

    def log_evidence(self, x: Float64[Tensor, " n"], theta: float) -> float:
        """Mean of log p(x) over the data, nats."""
        return float(-0.5 * ((x - theta) ** 2 / self.variance + math.log(2 * math.pi * self.variance)).mean())

    def exact_elbo(self, x: Float64[Tensor, " n"], theta: float, phi: float) -> float:
        """Mean ELBO over the data in closed form, nats: E_q log p(x | z) − KL(q ‖ p(z))."""
        q = self.encode(x, phi)
        mean, variance = q.mean[:, 0], q.logvar.exp()[:, 0]
        squares = (x - theta - self.w * mean) ** 2 + self.w**2 * variance
        likelihood = -0.5 * (squares / self.s**2 + math.log(2 * math.pi * self.s**2))
        rate = 0.5 * (mean**2 + variance - 1 - variance.log())
        return float((likelihood - rate).mean())

    def drawn_elbo(self, x: Float64[Tensor, " n"], theta: float, phi: float, generator: torch.Generator) -> tuple[float, float]:
        """The same by `DRAWS` draws of z for each x, through the losses that train the nets; and its standard error."""
        q = self.encode(x, phi)
        many = DiagonalGaussian(q.mean.repeat(DRAWS, 1), q.logvar.repeat(DRAWS, 1))
        likelihood = GaussianLikelihood(1, start=self.s**2, rate=0.0).double()
        mean = theta + self.w * many.sample(generator)
        bound = elbo(likelihood, x.repeat(DRAWS).view(-1, 1, 1, 1), mean.view(-1, 1, 1, 1), many)
        values = -(bound.distortion + bound.rate).view(DRAWS, -1).mean(dim=1)  # a draw: the whole data set, one z for each x
        return float(values.mean()), float(values.std()) / math.sqrt(DRAWS)


@dataclass(frozen=True)
class ScalarStudy:
    """What the figure shows: curves over θ, for each φ."""

    model: ScalarVAE
    thetas: Float64[np.ndarray, " t"]
    phis: tuple[float, ...]
    evidence: Float64[np.ndarray, " t"]
    exact: Float64[np.ndarray, "p t"]
    drawn: Float64[np.ndarray, "p t"]
    error: Float64[np.ndarray, "p t"]

    @property
    def worst_excess(self) -> float:
        """How far the exact ELBO ever exceeds log p(x); at most 0 but for rounding."""
        return float((self.exact - self.evidence).max())

    @property
    def worst_gap(self) -> float:
        """Largest |log p(x) − exact ELBO| where q is the true posterior, over all φ."""
        x, model = scalar_data(), self.model
        meetings = [(phi, model.meeting(phi)) for phi in self.phis]
        return max(abs(model.log_evidence(x, theta) - model.exact_elbo(x, theta, phi)) for phi, theta in meetings)

    @property
    def worst_deviation(self) -> float:
        """Largest |drawn − exact| of all points, in standard errors."""
        return float((np.abs(self.drawn - self.exact) / self.error).max())


def study_scalar_model(
    phis: tuple[float, ...] = (-1.0, -0.5, 0.0, 0.5, 1.0), reach: float = 0.1, points: int = 33, seed: int = 1
) -> ScalarStudy:
    """log p(x) and the ELBO for θ within `reach` of the best one, for shifts φ of the encoder in units of z."""
    x = scalar_data()
    model = ScalarVAE(centre=float(x.mean()))
    thetas = model.centre + np.linspace(-reach, reach, points)
    generator = torch.Generator().manual_seed(seed)
    drawn = np.array([[model.drawn_elbo(x, float(t), phi, generator) for t in thetas] for phi in phis])
    return ScalarStudy(
        model,
        thetas,
        phis,
        evidence=np.array([model.log_evidence(x, float(t)) for t in thetas]),
        exact=np.array([[model.exact_elbo(x, float(t), phi) for t in thetas] for phi in phis]),
        drawn=drawn[..., 0],
        error=drawn[..., 1],
    )


def write_scalar_model(page: ReportPage) -> None:
    """The section of the page."""
    scalar = study_scalar_model()
    page.section(
        "ELBO against log-likelihood on a scalar model",
        f"{DATA_COUNT} values drawn around {DATA_MEAN} with deviation {DATA_DEVIATION}. p(z) = N(0, 1), p(x given z) = N(θ + "
        f"{scalar.model.w:g} z, {scalar.model.s:g}²); q is the true posterior at the best θ, its mean shifted by φ. Lines: closed form. "
        f"Points: {DRAWS} draws of z for each value, through the losses that train the nets, ± 2 standard errors. Each φ has one θ at "
        "which q is the true posterior: there the two should meet, and the ELBO should be below log p(x) everywhere else.",
    )
    draw_scalar_model(page, scalar)
    page.number("scalar", {"worst_excess": scalar.worst_excess, "worst_gap": scalar.worst_gap, "worst_deviation": scalar.worst_deviation})
    page.claim(
        "The ELBO is at most log p(x), and equal to it where q is the posterior",
        f"Over {scalar.exact.size} pairs of θ and φ the exact ELBO exceeds log p(x) by {scalar.worst_excess:.0e} nats at most; where q is "
        f"the posterior they differ by {scalar.worst_gap:.0e} nats at most; drawn and exact ELBO differ by {scalar.worst_deviation:.1f} "
        "standard errors at most. Found if the first two are below 1e-9 and the last is below 5; partly if some are.",
        verdict(scalar.worst_excess < 1e-9, scalar.worst_gap < 1e-9, scalar.worst_deviation < 5),
    )


def draw_scalar_model(page: ReportPage, scalar: ScalarStudy) -> None:
    """log p(x) and the ELBOs over θ, and their differences nearer by."""
    figure, axes = panels(2, size_in=(5.2, 4.4))
    shift = scalar.thetas - scalar.model.centre
    axes[0].plot(shift, scalar.evidence, color="black", linewidth=2.4, label="log p(x)", zorder=0)
    axes[1].axhline(0, color="black", linewidth=2.4, zorder=0)
    for i, phi in enumerate(scalar.phis):
        style = {"color": COLOURS[i], "linewidth": 1.2}
        label = f"ELBO, φ shifted by {phi:+g}" if phi else "ELBO, φ not shifted"
        for ax, sign, base in ((axes[0], 1, 0.0), (axes[1], -1, scalar.evidence)):
            ax.plot(shift, sign * (scalar.exact[i] - base), label=label if sign > 0 else None, **style)
            ax.errorbar(shift, sign * (scalar.drawn[i] - base), 2 * scalar.error[i], fmt=".", markersize=3, capsize=2, **style)
    axes[0].set(ylabel="nats", ylim=(-2.5, 2.2), title="log p(x) and the ELBO")
    axes[1].set(ylabel="nats", ylim=(-0.1, 0.6), title="log p(x) − ELBO")
    for ax in axes:
        ax.set(xlabel="shift of the decoder's θ", xticks=np.linspace(shift[0], shift[-1], 5))
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    page.figure("elbo", figure, "Mean log p(x) over the data and the ELBO, for shifts of the decoder's θ and of the encoder's φ.")

"""Report "twins": the clouds of encodings of VAE and AE against N(0, I)."""

from dataclasses import asdict

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from facevae.nets.gaussian import DiagonalGaussian
from train.measure.features import kl_of_dimensions, noises
from train.report.gaussianity import Gaussianity, gaussianity, whitened
from train.report.page import ReportPage
from train.report.plots import COLOURS, panels
from train.report.verdicts import verdict

DRAW_SEED, NORMAL_SEED, CONTROL_SEED = 1_000_000, 3_000_000, 4_000_000
NORMAL, CODES, MEANS, DRAWS = "N(0, I), as many draws", "AE: codes", "VAE: means", "VAE: draws z ~ q"
Cloud = Float[np.ndarray, "n d"]


def write_latent_spaces(page: ReportPage, codes: Float[Tensor, "n d"], mean: Float[Tensor, "n d"], logvar: Float[Tensor, "n d"]) -> None:
    """Both clouds, the AE's codes and the VAE's posteriors of the same faces, against N(0, I)."""
    draws = DiagonalGaussian(mean, logvar).sample(torch.Generator().manual_seed(DRAW_SEED))
    normal, control = (noises(*mean.shape, seed).numpy() for seed in (NORMAL_SEED, CONTROL_SEED))
    clouds = {CODES: codes.numpy(), MEANS: mean.numpy(), DRAWS: draws.numpy()}
    white = {f"{name}, whitened": whitened(clouds[name]) for name in (CODES, DRAWS)}
    found = {name: gaussianity(z, normal) for name, z in ({NORMAL: control} | clouds | white).items()}
    page.section(
        "The two latent spaces",
        f"Encodings of {len(mean):,} train faces. What should match the prior is the aggregate posterior of the VAE, the cloud of its "
        f"draws z ~ q; the means alone lack the spread of the posteriors (mean variance {float(logvar.exp().mean()):.2g}).\n\n"
        "Skew and excess kurtosis: means over the dimensions, of the absolute skew and of the excess. KL: of the Gaussian with the mean "
        "and the covariance of the cloud to N(0, I), in nats. Fréchet: squared distance of the cloud to draws of N(0, I), both as "
        "Gaussians. AUROC: of boosted trees that tell held-out parts of the cloud from draws of N(0, I); 0.5 if they cannot. Whitened: "
        "shifted, turned and scaled to mean 0 and covariance I, so that what is left is not a matter of place and scale.",
    )
    rows = []
    for name, g in found.items():
        distances = [None, None] if name in white else [g.kl, g.frechet]
        rows.append([name, g.skew, g.kurtosis, g.largest, g.largest_sigma, *distances, g.auroc])
    page.table(["cloud", "skew", "excess kurtosis", "largest value", "the same in own σ", "KL to N(0, I)", "Fréchet", "AUROC"], rows)
    draw_clouds(page, clouds, normal)
    page.number("latents", {"faces": len(mean)} | {name: asdict(g) for name, g in found.items()})
    claim_latents(page, found[CODES], found[DRAWS], found[NORMAL], kl_of_dimensions(mean, logvar))


def claim_latents(page: ReportPage, ae: Gaussianity, vae: Gaussianity, normal: Gaussianity, rates: Float[Tensor, " d"]) -> None:
    """Three claims: skew and outliers of the AE, closeness of the VAE."""
    page.claim(
        "The AE's codes are skewed",
        f"Mean absolute skew: AE {ae.skew:.3f}, VAE {vae.skew:.3f}, as many draws of N(0, I) {normal.skew:.3f}. Found if the AE has twice "
        "the skew of the draws and 1.5 times the VAE's; partly if one.",
        verdict(ae.skew >= 2 * normal.skew, ae.skew >= 1.5 * vae.skew),
    )
    page.claim(
        "The AE's codes have large outliers",
        f"Largest value: AE {ae.largest:.1f}, VAE {vae.largest:.1f}, as many draws of N(0, I) {normal.largest:.1f}; in standard deviations "
        f"of its own dimension: AE {ae.largest_sigma:.1f}, VAE {vae.largest_sigma:.1f}, draws {normal.largest_sigma:.1f}. Found if the AE "
        "has twice the VAE's as it is and 1.25 times the VAE's in its own standard deviations; partly if one.",
        verdict(ae.largest >= 2 * vae.largest, ae.largest_sigma >= 1.25 * vae.largest_sigma),
    )
    page.claim(
        "The VAE's latents are nearly indistinguishable from N(0, I)",
        f"Draws z ~ q: KL of their Gaussian to N(0, I) {vae.kl:.2f} nats, {vae.kl / len(rates):.3f} a dimension (AE {ae.kl:.0f} nats); "
        f"excess kurtosis {vae.kurtosis:.2f}; trees tell them from N(0, I) with AUROC {vae.auroc:.2f} (AE {ae.auroc:.2f}, other draws of "
        f"N(0, I) {normal.auroc:.2f}). The rate is {float(rates.sum()):.1f} nats; at rate 0 they would be N(0, I) and tell nothing. Found "
        "if the KL is below 0.1 nats a dimension and the AUROC below 0.6; partly if one.",
        verdict(vae.kl / len(rates) < 0.1, vae.auroc < 0.6),
    )


def draw_clouds(page: ReportPage, clouds: dict[str, Cloud], normal: Cloud) -> None:
    """Above: first two principal components of each cloud on one scale. Below: the VAE's nearer by, and the tails of all values."""
    figure, axes = panels(3, 2, size_in=(3.9, 3.7))
    planes = {name: np.linalg.svd(z - z.mean(0), full_matrices=False)[2][:2].T for name, z in clouds.items()}
    reach = {name: 1.05 * float(np.abs(z @ planes[name]).max()) for name, z in clouds.items()}
    views = [(name, max(reach.values())) for name in clouds] + [(name, max(reach[MEANS], reach[DRAWS])) for name in (MEANS, DRAWS)]
    angle = np.linspace(0, 2 * np.pi, 100)
    for ax, (name, limit) in zip(axes, views, strict=False):
        ax.scatter(*(clouds[name] @ planes[name]).T, s=3, alpha=0.5, color=COLOURS[0], linewidths=0, label="encodings")
        if name != CODES:
            ax.scatter(*(normal @ planes[name]).T, s=3, alpha=0.35, color=COLOURS[4], linewidths=0, label="draws of N(0, I)")
        for sigma in (1, 2, 3):
            label = "1, 2, 3 σ of N(0, I)" if sigma == 1 else None
            ax.plot(sigma * np.cos(angle), sigma * np.sin(angle), color="black", linewidth=0.8, label=label)
        ax.set(title=name, xlim=(-limit, limit), ylim=(-limit, limit), xlabel="component 1", ylabel="component 2", aspect="equal")
        ax.legend(fontsize=7, frameon=False, loc="upper right", markerscale=3)
    edges = np.linspace(-8, 8, 65)
    middles = (edges[1:] + edges[:-1]) / 2
    for name, colour in ((CODES, COLOURS[1]), (DRAWS, COLOURS[0])):
        z = (clouds[name] - clouds[name].mean(0)) / clouds[name].std(0)
        density = np.histogram(z, edges)[0] / (z.size * (edges[1] - edges[0]))
        axes[-1].plot(middles[density > 0], density[density > 0], ".-", markersize=3, linewidth=1, color=colour, label=name)
    axes[-1].plot(middles, np.exp(-(middles**2) / 2) / np.sqrt(2 * np.pi), color="black", linewidth=1.4, label="N(0, 1)")
    axes[-1].set(title="all values, in own σ", yscale="log", ylim=(1e-6, 1), xlabel="value", ylabel="density")
    axes[-1].legend(fontsize=7, frameon=False, loc="upper right")
    caption = (
        "First two principal components of each cloud, above on one scale, below the VAE's nearer by; and the tails of all dimensions."
    )
    page.figure("latents", figure, caption)

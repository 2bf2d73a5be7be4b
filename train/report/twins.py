"""Report "twins": a small VAE against the autoencoder of the same layers and PPCA."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from matplotlib.figure import Figure
from torch import Tensor

from facevae.latent.paths import lerp, slerp
from facevae.nets.ppca import PPCA
from facevae.photo import images
from train.latent.ppca import fit_ppca, load_ppca, save_ppca
from train.measure.features import decode, diversity, encode, face_confidence, features, noises, psnr, sharpness, step_changes
from train.measure.fidelity import frechet
from train.report.page import ReportPage
from train.report.plots import COLOURS, draw_lines, panels, picture_sheet
from train.report.scalar_model import write_scalar_model
from train.report.study import Study, StudyRun, epoch_of
from train.report.twin_latents import write_latent_spaces
from train.report.verdicts import verdict
from train.vae.losses import GaussianLikelihood, elbo

# Where the seeds of each part start, so that no two parts share a draw.
FACES_SEED, PAIRS_SEED = 0, 2_000_000
SHEET = 12
PAIRS, FRAMES = 50, 11
INTRODUCTION = (
    "A small VAE for grey faces, the autoencoder (AE) of the same layers without the mean / log variance pair, and probabilistic PCA "
    "(PPCA) with as many latent dimensions. The nets learn the noise of the pixels, as PPCA does: the VAE's loss is the plain ELBO. "
    "The judge is a classifier that no net here has seen; it sees the grey faces enlarged to its own size."
)


@dataclass(frozen=True)
class Twins:
    """The three models and what all parts of the report ask of them."""

    study: Study
    vae: StudyRun
    ae: StudyRun
    ppca: PPCA

    @cached_property
    def photos(self) -> UInt8[np.ndarray, "n h w c"]:
        """The held-out faces."""
        return self.study.pictures(self.vae, self.study.held_out())

    @cached_property
    def train_photos(self) -> UInt8[np.ndarray, "m h w c"]:
        """The train faces to which clouds and features are compared."""
        return self.study.pictures(self.vae, self.study.for_directions())

    @cached_property
    def train_features(self) -> Float32[np.ndarray, "m f"]:
        """Their judge features."""
        return features(self.study.judge, self.train_photos)

    @cached_property
    def ae_codes(self) -> Float[Tensor, "m d"]:
        """The autoencoder's codes of the train faces."""
        return encode(self.ae.net, self.train_photos)[0]

    @cached_property
    def ae_sigma(self) -> float:
        """Root of the mean variance of the codes."""
        return float(self.ae_codes.var(dim=0).mean().sqrt())

    def noise(self) -> Float[Tensor, "n d"]:
        """The same draws of N(0, I) for every model, as many as there are held-out faces."""
        return noises(len(self.photos), self.ppca.latent, FACES_SEED)

    def confidence(self, pictures: UInt8[np.ndarray, "n h w c"]) -> float:
        """How sure the alignment net is that these are faces."""
        return face_confidence(self.study.aligner, pictures)

    def looks(self, pictures: UInt8[np.ndarray, "n h w c"]) -> dict[str, float]:
        """Judge's Fréchet distance to the train faces, face confidence, sharpness and diversity."""
        found = features(self.study.judge, pictures)
        return {
            "frechet": frechet(found, self.train_features),
            "confidence": self.confidence(pictures),
            "sharpness": sharpness(pictures),
            "diversity": diversity(found[:100]),  # a matrix of all pairs
        }


def report(study: Study) -> ReportPage:
    """Train the twins, fit PPCA, measure, and write the page."""
    runs = study.train()
    vae, path = runs["vae"], study.folder / "ppca.safetensors"
    save_ppca(path, fit_ppca(study.pictures(vae, study.data.indices("train")), vae.config.net.latent))
    twins = Twins(study, vae, runs["ae"], load_ppca(path))
    page = study.page('Report "twins": VAE, AE and PPCA, and the ELBO against the truth', INTRODUCTION)
    write_reconstructions(page, twins)
    write_random_faces(page, twins)
    write_latent_spaces(page, twins.ae_codes, *encode(vae.net, twins.train_photos))
    write_projections(page, twins)
    write_interpolations(page, twins)
    write_scalar_model(page)
    page.write()
    return page


# Reconstructions ------------------------------------------------------------------------------------------------------


def write_reconstructions(page: ReportPage, twins: Twins) -> None:
    """What comes back of a held-out face, and what each model says of its probability."""
    models = {"VAE": twins.vae.net, "AE": twins.ae.net, "PPCA": twins.ppca}
    backs = {name: decode(model, encode(model, twins.photos)[0]) for name, model in models.items()}
    psnrs = {name: psnr(twins.photos, back) for name, back in backs.items()}
    sharp = {"photos": sharpness(twins.photos)} | {name: sharpness(back) for name, back in backs.items()}
    distortion, rate = elbo_of(twins)
    evidence = float(twins.ppca.log_likelihood(images.to_float(twins.photos)).mean())
    page.section("Reconstruction", "Held-out faces, encoded to the mean and decoded.")
    page.table(["model", "PSNR (dB)", "sharpness"], [["photos", None, sharp["photos"]], *([n, psnrs[n], sharp[n]] for n in models)])
    page.text(
        f"Held-out log likelihood, nats per image of pixels in [0, 1]: PPCA {evidence:.1f} (exact); VAE at least {-distortion - rate:.1f} "
        f"(ELBO, one draw a face; rate {rate:.1f}). The VAE has a noise variance for each pixel position, PPCA one for all "
        f"({float(twins.ppca.noise_variance):.2g}). An AE has no likelihood: the rate of an exact point is infinite."
    )
    draw_training(page, twins)
    rows = {"photos": twins.photos} | backs
    page.figure("reconstructions", labelled(rows), "Held-out faces and their reconstructions.", private=True)
    page.number("reconstruction", {"psnr_db": psnrs, "sharpness": sharp, "ppca_log_likelihood": evidence, "vae_elbo": -distortion - rate})
    page.claim(
        "The AE reconstructs well",
        f"PSNR on held-out faces: AE {psnrs['AE']:.2f} dB, VAE {psnrs['VAE']:.2f} dB, PPCA {psnrs['PPCA']:.2f} dB. "
        "Found if the AE is no more than 0.2 dB below the VAE and above PPCA; partly if one of these.",
        verdict(psnrs["AE"] >= psnrs["VAE"] - 0.2, psnrs["AE"] > psnrs["PPCA"]),
    )


def draw_training(page: ReportPage, twins: Twins) -> None:
    """PSNR of both, and what the VAE's code costs."""
    figure, axes = panels(2)
    lines = {
        name: (epoch_of(run.stats, run.config), [row["valid_psnr_db"] for row in run.stats])
        for name, run in (("VAE", twins.vae), ("AE", twins.ae))
    }
    draw_lines(axes[0], lines, "epochs", "PSNR (dB)", "reconstruction of validation faces")
    rate = [row["valid_rate"] for row in twins.vae.stats]
    draw_lines(axes[1], {"VAE": (lines["VAE"][0], rate)}, "epochs", "nats an image", "rate of the VAE")
    page.figure("training", figure, "Training of the twins. The AE is charged no rate.")


def labelled(rows: dict[str, UInt8[np.ndarray, "n h w c"]]) -> Figure:
    """The first faces of each row, with its name."""
    return picture_sheet([pictures[:SHEET] for pictures in rows.values()], list(rows), scale=3)


@torch.inference_mode()
def elbo_of(twins: Twins) -> tuple[float, float]:
    """Distortion and rate of the VAE on the held-out faces through one draw each, nats per image."""
    x = images.to_float(twins.photos)
    posterior = twins.vae.net.encode(x)
    likelihood = GaussianLikelihood(twins.vae.config.net.shape[1:])
    likelihood.variance.copy_(twins.vae.variance)
    z = posterior.sample(torch.Generator().manual_seed(0))
    bound = elbo(likelihood, x, twins.vae.net.decode(z), posterior)
    return float(bound.distortion.mean()), float(bound.rate.mean())


# Random faces ---------------------------------------------------------------------------------------------------------


def write_random_faces(page: ReportPage, twins: Twins) -> None:
    """Faces of random z: the VAE's, the AE's, the AE's with a prior that fits its codes, and PPCA's."""
    noise, codes = twins.noise(), twins.ae_codes
    root = torch.linalg.cholesky(torch.cov(codes.T) + 1e-6 * torch.eye(codes.shape[1]))
    noisy = images.to_uint8(twins.ppca.sample(len(noise), torch.Generator().manual_seed(FACES_SEED)))
    drawn = {
        "VAE, N(0, I)": decode(twins.vae.net, noise),
        "AE, N(0, I)": decode(twins.ae.net, noise),
        "AE, N(0, σ² I), σ of its codes": decode(twins.ae.net, twins.ae_sigma * noise),
        "AE, Gaussian of its codes": decode(twins.ae.net, codes.mean(0) + noise @ root.T),
        "PPCA, N(0, I)": decode(twins.ppca, noise),
        "PPCA, with noise of pixels": noisy,
    }
    looks = {"held-out photos": twins.looks(twins.photos)} | {name: twins.looks(pictures) for name, pictures in drawn.items()}
    page.section(
        "Random z",
        f"{len(noise):,} faces of each kind, the same noise for all, against {len(twins.train_photos):,} train faces. The AE is drawn from "
        "N(0, I), from the same at the scale of its codes, and from the Gaussian with their mean and covariance. Fréchet distance: in "
        "features of the judge, not the FID; its floor with as many faces is the row of the photos. Face confidence: mean "
        "probability of “there is a face” by the editor's alignment net, which has learned on windows with and without one; it does not "
        "mind what is blurred or always the same face, which sharpness and diversity (mean distance in features) show.",
    )
    page.table(["faces", "Fréchet distance", "face confidence", "sharpness", "diversity"], [[n, *v.values()] for n, v in looks.items()])
    page.figure("random", labelled(drawn), "Faces of random z, the same noise in every row.")
    page.number("random", looks)
    vae, ae, scaled, fitted = (looks[name] for name in list(drawn)[:4])
    page.claim(
        "Random z through the AE's decoder gives nonsense, through the VAE's faces",
        f"z ~ N(0, I): Fréchet distance AE {ae['frechet']:.3g}, VAE {vae['frechet']:.3g}; face confidence AE {ae['confidence']:.0%}, VAE "
        f"{vae['confidence']:.0%}; sharpness AE {ae['sharpness']:.2g}, VAE {vae['sharpness']:.2g}; diversity AE {ae['diversity']:.2g}, VAE "
        f"{vae['diversity']:.2g}. At the scale of its codes (σ {twins.ae_sigma:.2g}) the AE's distance is {scaled['frechet']:.3g}, with "
        f"their Gaussian {fitted['frechet']:.3g}. Found if the AE's distance is at least twice the VAE's and its confidence at most half; "
        "partly if one.",
        verdict(ae["frechet"] >= 2 * vae["frechet"], ae["confidence"] <= 0.5 * vae["confidence"]),
    )


# Faces among the data -------------------------------------------------------------------------------------------------


def write_projections(page: ReportPage, twins: Twins) -> None:
    """20, then 200 faces of VAE and PPCA in the plane of the first two principal components of the data."""
    ppca, noise = twins.ppca, noises(200, twins.ppca.latent, FACES_SEED)

    def plane(pictures: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n 2"]:
        return ((images.to_float(pictures).flatten(1) - ppca.mean) @ ppca.axes[:, :2]).numpy()

    data, photos = plane(twins.train_photos), plane(twins.photos)
    drawn = {"VAE": plane(decode(twins.vae.net, noise)), "PPCA": plane(decode(ppca, noise))}
    centre, root = data.mean(0), np.linalg.inv(np.linalg.cholesky(np.cov(data.T)))
    limit = np.quantile((((data - centre) @ root.T) ** 2).sum(1), 0.95)
    rows, spreads, shares = [], {}, {}
    for count in (20, 200):
        for name, points in {"held-out photos": photos, **drawn}.items():
            some = points[:count]
            share = float(((((some - centre) @ root.T) ** 2).sum(1) <= limit).mean())
            spread = some.std(0) / data.std(0)
            spreads[name, count], shares[name, count] = spread, share
            rows.append([len(some), name, share, float(spread[0]), float(spread[1]), frechet(some, data)])
    page.section(
        "Generated faces among the data",
        "Faces of z ~ N(0, I), without the noise of the pixels, projected on the first two principal components of the data (grey: "
        f"{len(data):,} train faces). Inside: share within the ellipse that holds 95 % of the data. Spread: standard deviation as a share "
        "of the data's. Fréchet: squared distance to the data in this plane; the photos show how far so few faces are by chance.",
    )
    page.table(["faces", "of", "inside", "spread, component 1", "spread, component 2", "Fréchet"], rows)
    figure, axes = panels(2, size_in=(4.6, 4.2))
    for ax, count in zip(axes, (20, 200), strict=True):
        ax.scatter(*data.T, s=2, color="0.75", linewidths=0, label="data")
        for (name, points), colour, marker in zip(drawn.items(), COLOURS, "o^", strict=False):
            ax.scatter(*points[:count].T, s=16, color=colour, marker=marker, alpha=0.8, linewidths=0, label=name)
        ax.set(title=f"{count} faces of each", xlabel="component 1 of the data", ylabel="component 2 of the data")
        ax.legend(fontsize=8, frameon=False, loc="upper right")
    page.figure("projections", figure, "20 and 200 faces of VAE and PPCA in the PCA of the data.")
    page.number("projections", [dict(zip(("faces", "of", "inside", "spread_1", "spread_2", "frechet"), row, strict=True)) for row in rows])
    fits = {n: shares[n, 200] >= 0.85 and bool(((spreads[n, 200] > 0.8) & (spreads[n, 200] < 1.25)).all()) for n in drawn}
    said = "; ".join(f"{n}: {shares[n, 200]:.0%} inside, spread {spreads[n, 200][0]:.2f} and {spreads[n, 200][1]:.2f}" for n in drawn)
    page.claim(
        "Faces of the VAE and of PPCA cover the data in its PCA (20 faces, then 200)",
        f"200 faces: {said} of the data's. A model covers the data if 85 % lie inside the data's 95 % ellipse and both spreads are "
        "within 0.8 and 1.25. Found if both do, partly if one.",
        verdict(*fits.values()),
    )


# Interpolation --------------------------------------------------------------------------------------------------------


def write_interpolations(page: ReportPage, twins: Twins) -> None:
    """Between two random faces: step-to-step change, and whether the middle is still a face."""
    ends = noises(2 * PAIRS, twins.ppca.latent, PAIRS_SEED).view(PAIRS, 2, -1)
    ways = {
        "VAE, straight": (twins.vae.net, lerp, 1.0),
        "VAE, along the arc": (twins.vae.net, slerp, 1.0),
        "AE, straight, σ of its codes": (twins.ae.net, lerp, twins.ae_sigma),
        "PPCA, straight": (twins.ppca, lerp, 1.0),
    }
    strips, rows = {}, []
    for name, (model, way, sigma) in ways.items():
        z = torch.stack([way(a, b, i / (FRAMES - 1)) for a, b in ends for i in range(FRAMES)])
        strip = decode(model, sigma * z)
        strips[name] = strip = strip.reshape(PAIRS, FRAMES, *strip.shape[1:])
        steps = np.array([step_changes(s) for s in strip])
        straight = np.array([step_changes(s[[0, -1]])[0] for s in strip])
        # Nets that hardly saw a picture draw one and the same: nothing by nothing is given as 0.
        evenness, detour = (float(np.median(v / of.clip(1e-9))) for v, of in ((steps.max(1), steps.mean(1)), (steps.sum(1), straight)))
        outer, middle = twins.confidence(strip[:, [0, -1]].reshape(-1, *strip.shape[2:])), twins.confidence(strip[:, FRAMES // 2])
        rows.append([name, float(steps.mean()), evenness, detour, outer, middle])
    page.section(
        "Interpolation between two random faces",
        f"{PAIRS} pairs of z ~ N(0, I) (for the AE at the scale of its codes), {FRAMES} frames from one to the other. Step: root mean "
        "square change from a frame to the next, in grey levels. Evenness: largest step / mean step (1: all alike). Detour: sum of the "
        "steps / distance of the ends (1: a cross-fade, which is what PPCA does). Both are medians over the pairs.",
    )
    page.table(["way", "step", "evenness", "detour", "face confidence, ends", "face confidence, middle"], rows)
    sheet = {f"pair {i + 1}: VAE, straight": strips["VAE, straight"][i] for i in (2, 1, 0)}
    sheet |= {f"pair 1: {name}": strips[name][0] for name in list(ways)[1:]}
    page.figure("interpolation", labelled(sheet), "Three pairs of random faces, the first one along other ways too.")
    keys = ("way", "step", "evenness", "detour", "confidence_ends", "confidence_middle")
    page.number("interpolation", [dict(zip(keys, row, strict=True)) for row in rows])
    _, step, evenness, detour, outer, middle = rows[0]
    page.claim(
        "Interpolation between two random faces is smooth",
        f"VAE, straight line: mean step {step:.1f} grey levels, largest step {evenness:.2f} times the mean one, face confidence "
        f"{outer:.0%} at the ends and {middle:.0%} in the middle. Found if the largest step is at most twice the mean one and the middle "
        "has 80 % of the ends' confidence; partly if one.",
        verdict(evenness <= 2, middle >= 0.8 * outer),
    )

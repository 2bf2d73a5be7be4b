"""The frozen measurement protocol: reconstruction, samples, distances, search for copies.

Figures compare with those of every other run under the same version.
"""

import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance
from tqdm import tqdm

from facevae.checkpoint.serialization import Prior
from facevae.files import write_atomic
from facevae.latent.priors import GaussianMixture, standard_normal
from facevae.nets.vae import VAE
from facevae.photo import images
from train.data.prepared import PreparedData, save_array
from train.measure import fidelity
from train.measure.encodings import BATCH, encode_many
from train.measure.features import decode, encode, features
from train.networks.scores import Scorer
from train.vae.loop import active_units
from train.vae.losses import GaussianLikelihood, elbo, psnr_db
from train.vae.sample_sheets import save_png, tile

PROTOCOL = 1
"""Goes up with every change that moves a figure: faces, seeds, sizes, formulas, rounding."""
COLUMNS = 8
FITTED_FACES = 8_000
REAL = "real faces, the floor"
REBUILT = "reconstructions"


@torch.inference_mode()
def evaluate_reconstruction(net: VAE, variance: Float[Tensor, "h w"], data: PreparedData, index: Int[np.ndarray, " n"]) -> dict[str, Any]:
    """Distortion and rate (nats per image, one posterior draw), bits/dim, PSNR (dB) through the posterior mean.

    bits/dim is (distortion + rate) / (dimensions · ln 2) + 8: the density of pixels in [0, 1], as a
    code for 256 levels.
    """
    likelihood = GaussianLikelihood(net.config.shape[1:])
    likelihood.variance.copy_(variance)
    rows = []
    for number, part in enumerate(tqdm(np.array_split(index, -(-len(index) // BATCH)), desc="reconstruct", unit="batch")):
        x = images.to_float(data.images[part])
        posterior = net.encode(x)
        drawn = net.decode(posterior.sample(torch.Generator().manual_seed(number)))
        bound = elbo(likelihood, x, drawn, posterior)
        rows.append(torch.stack([bound.distortion, bound.rate, psnr_db(x, net.decode(posterior.mode))]))
    distortion, rate, psnr = torch.cat(rows, dim=1).mean(dim=1).tolist()
    return {
        "n": len(index),
        "distortion_nats": round(distortion, 1),
        "rate_nats": round(rate, 1),
        "bits_per_dim": round((distortion + rate) / (math.prod(net.config.shape) * math.log(2)) + 8, 4),
        "psnr_db": round(psnr, 3),
    }


@dataclass(frozen=True)
class Protocol:
    """What the protocol fixes, beside the formulas; crop and resize are those of `python -m train prepare`."""

    split: str = "test"
    faces: int = 2_000
    """Held-out faces, training faces of the floor, and samples (seeds 0, 1, …) of each kind: all as many, fewer in a smaller split."""
    subsets: int = 5
    neighbours: int = 3
    temperatures: tuple[float, ...] = (1.0, 0.7)
    """Of the samples from the fitted prior; the last one is searched for copies."""
    memorised: int = 16
    sheet: int = 32


@torch.inference_mode()
def measure_protocol(
    net: VAE,
    variance: Float[Tensor, "h w"],
    prior: Prior | None,
    judge: Scorer,
    digest: str,
    data: PreparedData,
    protocol: Protocol = Protocol(),
    sheets: Path | None = None,
    inception: FrechetInceptionDistance | None = None,
) -> dict[str, Any]:
    """The section "protocol" of an evaluation, of a net on the CPU; `prior` None draws from N(0, I) alone.

    Pictures are compared as the 256 levels that a user gets, and distances are taken in the features of `judge`, whose file begins with
    `digest`. Each kind of pictures has the mean and standard deviation of its distances over disjoint subsets of the faces; `all` holds
    what is measured on all at once. The floor is what photos reach against other photos, at equal sizes: subsets against subsets of the
    split, and `all` on training faces against held-out ones. `sheets` is a folder for samples and, private as it shows training faces,
    the nearest of them. `ValueError` where the split is too small.
    """
    test, chosen = faces_of(data, protocol)
    rows, everyone = subsets(len(test), protocol.subsets), data.indices("train")
    photos = np.array(data.images[test])
    likeness = evaluate_reconstruction(net, variance, data, test)
    mean, _ = encode(net, photos)
    rebuilt = decode(net, mean)
    likeness |= {k: rounded(v) for k, v in fidelity.structural_similarity(photos, rebuilt).items()}
    likeness |= {"active_units": active_units(mean), "latent": net.config.latent}

    real, train = features(judge, photos), features_of_train(judge, digest, data)
    others = train[np.searchsorted(everyone, chosen)]
    if inception is not None:
        fidelity.show(inception, photos, real=True)

    def at_once(found: Float32[np.ndarray, "n f"], pictures: UInt8[np.ndarray, "n h w c"]) -> dict[str, float]:
        fid = {"fid": rounded(fidelity.inception_distance(inception, pictures))} if inception is not None else {}
        return compare(found, real, protocol.neighbours) | fid

    # A reconstruction has its original among the photos: no distance to all of them could be compared with the others'.
    table = {
        REAL: over_subsets(real, real, rows) | {"all": at_once(others, np.array(data.images[chosen]))},
        REBUILT: over_subsets(features(judge, rebuilt), real, rows),
    }
    fitted = {f"samples T={t:g}": (prior, t) for t in protocol.temperatures} if prior is not None else {}
    for name, (source, temperature) in tqdm((fitted | {"N(0, I) T=1": (None, 1.0)}).items(), desc="samples"):
        pictures = decode(net, draw(source, net.config.latent, len(test), temperature))
        found = features(judge, pictures)
        table[name] = over_subsets(found, real, rows) | {"all": at_once(found, pictures)}
        if sheets is not None:
            save_png(sheets / f"{re.sub('[^A-Za-z0-9.=]+', '-', name)}.png", tile(pictures[: protocol.sheet], COLUMNS))

    samples = decode(net, draw(prior, net.config.latent, protocol.memorised, protocol.temperatures[-1]))
    copies, nearest = fidelity.memorisation(features(judge, samples), real[: protocol.memorised], train)
    if sheets is not None:
        save_png(sheets / "private-nearest-faces.png", tile(np.concatenate([samples, data.images[everyone[nearest]]]), len(samples)))
    return {
        "version": PROTOCOL,
        "judge": digest,
        "split": protocol.split,
        "n": len(test),
        "subset_n": rows.shape[1],
        "photos": hashlib.sha256(photos.tobytes()).hexdigest()[:12],
        "prior": type(prior).__name__ if prior is not None else "N(0, I)",
        "reconstruction": likeness,
        "distances": table,
        "memorisation": {k: rounded(v) for k, v in copies.items()},
    }


def faces_of(data: PreparedData, protocol: Protocol) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Held-out faces, and as many training faces for the floor; each set the same for every net. `ValueError` where they are too few."""
    test, train = data.indices(protocol.split), data.indices("train")
    n = min(protocol.faces, len(test), len(train))
    least = max(2 * protocol.subsets, protocol.neighbours + 1)
    if n < least:
        raise ValueError(
            f"{data.folder} has {len(test)} {protocol.split} and {len(train)} training faces, the protocol needs {least} of each"
        )
    return data.sample(protocol.split, n, np.random.default_rng(0)), data.sample("train", n, np.random.default_rng(1))


def subsets(n: int, count: int) -> Int[np.ndarray, "count m"]:
    """Disjoint rows of n // count positions each, the same for every net."""
    return np.random.default_rng(2).permutation(n)[: n // count * count].reshape(count, -1)


def features_of_train(judge: Scorer, digest: str, data: PreparedData) -> Float32[np.ndarray, "t f"]:
    """Judge features of all training faces: made once, as they take as long as the rest of the protocol, and kept beside the data."""
    channels, height, width = data.shape
    path = data.folder / "judged" / f"{digest}-{height}x{width}x{channels}.npy"
    if not path.is_file():
        index = data.indices("train")
        parts = np.array_split(index, -(-len(index) // BATCH))
        found = np.concatenate([features(judge, data.images[part]) for part in tqdm(parts, desc="judge train", unit="batch")])
        write_atomic(path, lambda temporary: save_array(temporary, found))
    return np.load(path)


def draw(prior: Prior | None, dimensions: int, count: int, temperature: float) -> Float[Tensor, "n d"]:
    """The latents of the seeds 0 … count - 1, from N(0, I) where there is no prior."""
    if prior is None:
        return torch.stack([standard_normal(seed, dimensions, temperature) for seed in range(count)])
    return prior.from_seeds(range(count), temperature)


def fit_gaussian(net: VAE, data: PreparedData) -> GaussianMixture:
    """One Gaussian fitted to the encodings of 8,000 training faces (all where there are fewer)."""
    index = data.sample("train", FITTED_FACES, np.random.default_rng(0))
    z = torch.from_numpy(encode_many(net, data, index)).double()
    covariance = torch.cov(z.T) + 1e-3 * torch.eye(z.shape[1])  # as the mixture of `python -m train directions`
    return GaussianMixture(torch.ones(1), z.mean(0)[None].float(), torch.linalg.cholesky(covariance)[None].float())


def over_subsets(
    found: Float32[np.ndarray, "n f"], real: Float32[np.ndarray, "n f"], rows: Int[np.ndarray, "count m"]
) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of the distances of each subset to the photos of the next one.

    Of the next, since row i of `found` may be the reconstruction of row i of `real`, and the floor would compare faces with themselves.
    """
    pairs = list(zip(rows, np.roll(rows, -1, axis=0), strict=True))
    values = {
        "frechet": [fidelity.frechet(found[own], real[other]) for own, other in pairs],
        "kernel_x1000": [1000 * fidelity.kernel_distance(found[own], real[other]) for own, other in pairs],
    }
    return {name: {"mean": rounded(np.mean(v)), "std": rounded(np.std(v, ddof=1))} for name, v in values.items()}


def compare(found: Float32[np.ndarray, "n f"], real: Float32[np.ndarray, "n f"], neighbours: int) -> dict[str, float]:
    """Distances, precision and recall of all at once."""
    precision, recall = fidelity.precision_recall(found, real, neighbours)
    return {
        "frechet": rounded(fidelity.frechet(found, real)),
        "kernel_x1000": rounded(1000 * fidelity.kernel_distance(found, real)),
        "precision": rounded(precision),
        "recall": rounded(recall),
    }


def rounded(value: float | None) -> float | None:
    """Four digits, which is more than the spread over the subsets allows; counts stay as they are."""
    return value if value is None or isinstance(value, int) else float(f"{value:.4g}")


def spread(value: dict[str, float]) -> str:
    """Mean ± standard deviation over the subsets."""
    return f"{value['mean']:.3g} ± {value['std']:.2g}"


def table_of(section: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the distances, as text."""
    has_fid = "fid" in section["distances"][REAL]["all"]
    head = ["pictures", "Fréchet", "kernel ×1000", "Fréchet, all", "kernel ×1000, all", "precision", "recall", *["Inception FID"] * has_fid]
    rows = []
    for name, row in section["distances"].items():
        cells = [spread(row[k]) for k in ("frechet", "kernel_x1000")]
        whole = row.get("all", {})
        keys = [("frechet", ".3g"), ("kernel_x1000", ".3g"), ("precision", ".3f"), ("recall", ".3f"), *[("fid", ".1f")] * has_fid]
        rows.append([name, *cells, *(f"{whole[k]:{form}}" if k in whole else "–" for k, form in keys)])
    return head, rows


def sentences_of(section: dict[str, Any]) -> tuple[str, str, str]:
    """What was measured with what; the likeness of the reconstructions; the search for copies."""
    r, m = section["reconstruction"], section["memorisation"]
    multiscale = "" if r["ms_ssim"] is None else f", MS-SSIM {r['ms_ssim']:.3f}"
    return (
        f"Protocol {section['version']}, judge {section['judge']}: {section['n']:,} faces of {section['split']} (pixels "
        f"{section['photos']}), subsets of {section['subset_n']}",
        f"Reconstructions: PSNR {r['psnr_db']:.2f} dB, SSIM {r['ssim']:.3f}{multiscale}; distortion {r['distortion_nats']:.0f} nats, rate "
        f"{r['rate_nats']:.0f} nats, {r['bits_per_dim']:.3f} bits/dim; {r['active_units']} of {r['latent']} units active",
        f"Nearest of {m['train_faces']:,} training faces: {m['samples_median']:.3g} from {m['n']} samples, {m['held_out_median']:.3g} from "
        f"held-out faces (medians); {m['copies']} copies",
    )


def print_protocol(section: dict[str, Any]) -> None:
    """Print what `measure_protocol` found."""
    title, likeness, copies = sentences_of(section)
    head, rows = table_of(section)
    print(f"\n{title}\n{likeness}\n{copies}")
    for name, *cells in [head, *rows]:
        print(f"{name:24}" + "".join(f"{cell:>19}" for cell in cells))

"""Report "lambda": a 64 × 48 px VAE, the weight of its KL and its latent size."""

from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from train.measure.features import (
    decode,
    encode,
    face_confidence,
    features,
    interpolate,
    kl_of_dimensions,
    noises,
    probabilities,
    psnr,
    step_changes,
)
from train.measure.fidelity import frechet
from train.report.page import ReportPage
from train.report.plots import draw_lines, panels, rows_of, stat
from train.report.runs import BEST_LAMBDA, LAMBDAS, LATENTS, beta_of_lambda
from train.report.study import Study, StudyRun
from train.report.verdicts import verdict
from train.vae.loop import active_units

SHEET, STRIP, PAIRS = 16, 9, 40
HARDLY = 0.2  # "hardly matters" is read as: no run differs from the mean by more than this share
INTRODUCTION = """\
A VAE of eight convolutions with instance norm on 64 × 48 px, and a study of λ, the weight of the KL. The report's loss is
the mean squared error over all values in [-1, 1] plus λ · KL; we read its KL as summed over the dimensions and averaged over the batch.
In this project's convention (sums, pixels in [0, 1], plain squared error) that is **β = λ · 64 · 48 · 3 / 4 = 2304 λ**.
Had the KL been averaged over the 64 dimensions too, each λ would weigh 64 times less: their 1e-3 would be our 1.6e-5.
The decoder's second transposed convolution is printed with stride 1, which does not come back to 64 × 48; it has stride 2 here."""


def report(study: Study) -> ReportPage:
    """Train all runs, measure each, compare, write the page."""
    page = study.page("Report “lambda”: an instance-norm VAE and the weight of its KL", INTRODUCTION)
    runs = study.train()
    weights = {f"lambda-{weight:.0e}": weight for weight in LAMBDAS}
    best = f"lambda-{BEST_LAMBDA:.0e}"
    held_out = study.held_out()
    shown = study.pictures(next(iter(runs.values())), held_out)
    real = features(study.judge, shown)
    others = features(study.judge, study.pictures(runs[best], study.data.indices("valid")[: len(held_out)]))
    found = {name: measure(study, run, shown, real) for name, run in runs.items()}
    photos = {
        "face_confidence": face_confidence(study.aligner, shown),
        "range": mean_distance(shown),
        "asymmetry": asymmetry(shown),
        "frechet_floor": frechet(others, real),
    }
    glasses = measure_glasses(study, runs) if "Eyeglasses" in study.data.attributes else None
    page.number("runs", found)
    page.number("photos", photos)
    page.number("eyeglasses", glasses)

    write_claims(page, found, photos, glasses, list(weights), best)
    page.section("The runs in figures")
    keys = ["psnr_db", "rate_nats", "active_units", "frechet", "face_confidence", "range", "asymmetry", "uneven"]
    rows = [[name, run.config.net.latent, run.config.beta, *(found[name][k] for k in keys)] for name, run in runs.items()]
    page.table(
        ["run", "latent", "β", "PSNR, dB", "rate, nats", "active units", "Fréchet", "faces", "range", "asymmetry", "unevenness"], rows
    )
    page.text(
        f"Fréchet: distance in judge features between {len(held_out)} samples from N(0, I) and as many photos (photos against other "
        f"photos: "
        f"{photos['frechet_floor']:.3g}). Faces: mean probability that the alignment net gives to samples being faces (photos: "
        f"{photos['face_confidence']:.2f}). "
        f"Range: mean distance between two samples, in grey levels (photos: {photos['range']:.3g}). Asymmetry: mean distance between a "
        f"sample and its mirror "
        f"image (photos: {photos['asymmetry']:.3g}). Unevenness: largest step of an interpolation over its mean step."
    )
    figure, (left, right) = panels(2)
    draw_lines(left, {n: stat(runs[n].stats, "valid_psnr_db") for n in runs}, "images seen", "PSNR on valid faces, dB")
    draw_lines(right, {n: stat(runs[n].stats, "valid_rate") for n in runs}, "images seen", "rate on valid faces, nats", log_y=True)
    page.figure("curves", figure, "PSNR and rate over images seen")
    draw_sheets(page, study, runs)
    page.write()
    return page


def measure(study: Study, run: StudyRun, shown: UInt8[np.ndarray, "n h w c"], real: Float32[np.ndarray, "n f"]) -> dict[str, Any]:
    """Reconstructions, samples and interpolations of one run."""
    mean, logvar = encode(run.net, shown)
    samples = decode(run.net, noises(len(shown), mean.shape[1]))
    seen = features(study.judge, samples)
    strips = [step_changes(interpolate(run.net, mean[2 * i], mean[2 * i + 1], STRIP)) for i in range(min(PAIRS, len(mean) // 2))]
    return {
        "psnr_db": psnr(shown, decode(run.net, mean)),
        "rate_nats": float(kl_of_dimensions(mean, logvar).sum()),
        "active_units": active_units(mean),
        "norm_of_mean": float(mean.norm(dim=1).mean()),
        "frechet": frechet(seen, real),
        "face_confidence": face_confidence(study.aligner, samples),
        "range": mean_distance(samples),
        "asymmetry": asymmetry(samples),
        "travel": float(np.mean([s.sum() for s in strips])),
        "uneven": float(np.mean([s.max() / (s.mean() + 1e-9) for s in strips])),
    }


def mean_distance(pictures: UInt8[np.ndarray, "n h w c"]) -> float:
    """Root mean square difference of one picture to the next one, averaged; grey levels."""
    return float(step_changes(pictures).mean())


def asymmetry(pictures: UInt8[np.ndarray, "n h w c"]) -> float:
    """Root mean square difference of a picture to its mirror image, averaged; grey levels."""
    difference = pictures.astype(np.float64) - pictures[:, :, ::-1]
    return float(np.sqrt((difference**2).mean(axis=(1, 2, 3))).mean())


def measure_glasses(study: Study, runs: dict[str, StudyRun]) -> dict[str, Any]:
    """The judge's mean probability of glasses on held-out faces that wear them: photos, and reconstructions by each run."""
    index = np.concatenate([study.data.indices("test"), study.data.indices("valid")])
    index = index[study.labels(index, "Eyeglasses")][: study.budget.faces]
    column = study.data.attributes.index("Eyeglasses")
    first = study.pictures(next(iter(runs.values())), index)
    table: dict[str, Any] = {"faces": len(index), "photos": float(probabilities(study.judge, first)[:, column].mean())}
    for name, run in runs.items():
        back = decode(run.net, encode(run.net, study.pictures(run, index))[0])
        table[name] = float(probabilities(study.judge, back)[:, column].mean())
    return table


def write_claims(
    page: ReportPage, found: dict[str, Any], photos: dict[str, float], glasses: dict[str, Any] | None, names: list[str], best: str
) -> None:
    """Claimed and found; each verdict follows from the figures by the rule in its sentence."""
    strongest, weakest = names[0], names[-1]

    def list_of(key: str) -> str:
        return ", ".join(f"{found[n][key]:.3g}" for n in names)

    symmetric = min(names, key=lambda n: found[n]["asymmetry"]) == strongest
    little = found[strongest]["travel"] < 0.5 * max(found[n]["travel"] for n in names)
    page.claim(
        f"λ = {strongest[7:]} gives symmetric front faces and hardly any interpolation",
        f"asymmetry of samples {list_of('asymmetry')} for λ = {', '.join(n[7:] for n in names)} (photos {photos['asymmetry']:.3g}); "
        f"path from one face to another {list_of('travel')} grey levels. Found where {strongest[7:]} has the least asymmetry, and less "
        f"than half "
        "of the longest path.",
        verdict(symmetric, little),
    )
    nearest = min(names, key=lambda n: found[n]["frechet"])
    page.claim(
        f"λ = {best[7:]} is best",
        f"Fréchet distance of samples {list_of('frechet')}, the best at {nearest[7:]}; "
        f"PSNR {list_of('psnr_db')} dB. Found where the least distance is at {best[7:]}.",
        verdict(nearest == best),
    )
    page.claim(
        f"λ = {weakest[7:]} deforms",
        f"samples at {weakest[7:]} against {best[7:]}: Fréchet {found[weakest]['frechet']:.3g} against {found[best]['frechet']:.3g}, "
        f"confidence that they are faces {found[weakest]['face_confidence']:.0%} against {found[best]['face_confidence']:.0%}. Found "
        f"where both are "
        f"worse.",
        verdict(found[weakest]["frechet"] > found[best]["frechet"], found[weakest]["face_confidence"] < found[best]["face_confidence"]),
    )
    measured = [*names, *(f"latent-{d}" for d in LATENTS)]
    uneven, travel = (np.array([found[n][k] for n in measured]) for k in ("uneven", "travel"))
    alike = [float(np.abs(v / v.mean() - 1).max()) for v in (uneven, travel)]
    page.claim(
        "latent size and λ hardly matter for interpolation",
        f"largest difference from the mean of all runs: {alike[0]:.0%} in unevenness, {alike[1]:.0%} in the length of the path. "
        f"Found where both stay under {HARDLY:.0%}.",
        verdict(*(a < HARDLY for a in alike)),
    )
    large = f"latent-{LATENTS[-1]}"
    gain = found[large]["psnr_db"] - found[best]["psnr_db"]
    if glasses is None:
        page.claim(f"latent {LATENTS[-1]} is detailed but breaks glasses", "the data have no label for glasses", "not testable")
    else:
        page.claim(
            f"latent {LATENTS[-1]} is detailed but breaks glasses",
            f"PSNR {gain:+.2f} dB against latent 64; the judge's probability of glasses on reconstructions of {glasses['faces']} faces "
            f"with glasses "
            f"{glasses[large]:.2f} against {glasses[best]:.2f} (photos {glasses['photos']:.2f}). Found where PSNR is higher and glasses "
            f"are rarer.",
            verdict(gain > 0, glasses[large] < glasses[best]),
        )
    nearer = found["centred"]["norm_of_mean"] < found[best]["norm_of_mean"]
    page.claim(
        "“+1” on the KL brings z closer to the centre",
        "a constant added to the KL has no gradient and changes nothing; read as ‖mean‖² counting twice: mean length of z "
        f"{found['centred']['norm_of_mean']:.3g} against {found[best]['norm_of_mean']:.3g}, Fréchet {found['centred']['frechet']:.3g} "
        f"against "
        f"{found[best]['frechet']:.3g}. Found (in the second reading) where z is shorter.",
        "partly" if nearer else "not found",
    )


def draw_sheets(page: ReportPage, study: Study, runs: dict[str, StudyRun]) -> None:
    """For each run a generation sheet and interpolations: between drawn faces in public, between photos in private."""
    held_out = study.held_out()[:4]
    for name, run in runs.items():
        z = noises(SHEET, run.config.net.latent)
        page.section(f"{name} (latent {run.config.net.latent}, λ = {run.config.beta / beta_of_lambda(1, run.config.net.shape):.0e})")
        page.figure(f"samples-{name}", rows_of(decode(run.net, z).reshape(2, SHEET // 2, *shape_of(run))), "Samples from N(0, I)", scale=2)
        strips = [interpolate(run.net, z[2 * i], z[2 * i + 1], STRIP) for i in range(2)]
        page.figure(f"interpolation-{name}", rows_of(strips), "Interpolations between two drawn faces", scale=2)
        mean = encode(run.net, study.pictures(run, held_out))[0]
        strips = [interpolate(run.net, mean[2 * i], mean[2 * i + 1], STRIP) for i in range(2)]
        page.figure(f"interpolation-photos-{name}", rows_of(strips), "Interpolations between two encoded photos", private=True, scale=2)


def shape_of(run: StudyRun) -> tuple[int, int, int]:
    """Height, width and channels."""
    channels, height, width = run.config.net.shape
    return (height, width, channels)

"""fit(config, …): the training loop, from top to bottom."""

import copy
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor, nn
from tqdm import tqdm

from facevae.files import write_atomic, write_json
from facevae.nets.architectures import build_net, describe_net
from facevae.nets.classifier import AttributeClassifier
from facevae.nets.vae import VAE
from facevae.photo import images
from train.adversary import Adversary, contest
from train.config import TrainConfig
from train.data import Batches, PreparedData, prefetch
from train.losses import GaussianLikelihood, elbo, free_rate, price, psnr_db
from train.schedules import cosine
from train.sharpness import FeatureLoss, focal_frequency, random_square
from train.sheets import draw_sheets
from train.spikes import SpikeWatch
from train.start import HISTORY, begin_with
from train.state import images_before, load_state, save_state

MAX_SKIPPED = 10  # steps in a row that were left out


def fit(
    config: TrainConfig,
    data: PreparedData,
    run: Path,
    stop_nimg: int | None = None,
    guide: AttributeClassifier | None = None,
    start: Path | None = None,
) -> Path:
    """Train, or go on training, the run in folder `run`; gives the path of its last state.

    The folder holds `config.json`, `stats.jsonl`, `sheets/` and `state.safetensors`, written at every
    tick, so that a killed run loses at most one tick; on the CPU the resumed run is bit-equal to an
    unbroken one. `stop_nimg` ends early, as a kill after that tick would. `guide` is the classifier whose
    features losses compare (see `config.wants_guide`). A new run begins with the weights of `start`, another run or
    a checkpoint, and `start.json` says so. `ValueError` where data, run and config do not fit each other,
    `FloatingPointError` where the gradient stays not finite.
    """
    if data.shape != config.net.shape:
        raise ValueError(f"{data.folder} holds pictures of {pixels(data.shape)}, the net wants {pixels(config.net.shape)}")
    if config.wants_guide and guide is None:
        raise ValueError("feature_weight and an adversary that sees features need a classifier, but no classifier was given: name its run")
    # Accelerate's own precision belongs to the process; two runs of one report may differ in theirs.
    accelerator = Accelerator(mixed_precision="no", cpu=not torch.cuda.is_available())
    device = accelerator.device
    guide = guide.to(device) if guide is not None else None

    # The weights come from the seed, without touching anybody else's random numbers.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        net = build_net(config.net).to(device, memory_format=torch.channels_last)
        share = config.look_px / config.net.shape[1] or 1.0
        adversary = Adversary(config.adversary, config.net.shape[0], config.net.latent, guide, share)
        adversary.to(device, memory_format=torch.channels_last)
    freeze(net, config.frozen)
    ema = copy.deepcopy(net).requires_grad_(False).eval()
    learned = 0.0 if config.likelihood == "fixed" else 0.01
    likelihood = GaussianLikelihood(config.net.shape[1:], config.variance, learned, shared=config.likelihood == "shared").to(device)
    watch = SpikeWatch(config.spike)
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.lr, betas=config.betas, weight_decay=config.weight_decay, fused=True)
    modules, optimizers = {"net": net, "ema": ema, "likelihood": likelihood, "watch": watch}, {"net": optimizer}
    features = FeatureLoss(guide, config.feature_levels) if config.feature_weight and guide is not None else None
    rival = torch.optim.AdamW(adversary.parameters(), lr=config.adversary.lr, betas=config.adversary.betas, weight_decay=0, fused=True)
    if config.adversary.weight:
        modules["adversary"], optimizers["adversary"] = adversary, rival

    # Resume where the folder holds a state; begin with other weights where they are given.
    state_path = run / "state.safetensors"
    described = json.loads(json.dumps(asdict(config) | {"net": describe_net(config.net)}))  # tuples as lists, as the file gives them back
    nimg = load_state(state_path, modules, optimizers, described) if state_path.is_file() else 0
    if not nimg:
        for name in ("start.json", HISTORY):
            (run / name).unlink(missing_ok=True)  # of a run that was stopped before its first tick
        if start is not None:
            begin_with(start, net, ema, likelihood, run, data)
    seen = images_before(run)
    write_json(run / "config.json", described | {"data": str(data.folder)})
    drop_later_stats(run / "stats.jsonl", nimg)
    trained = accelerator.prepare(net)
    batches = Batches(data, "train", config.seed, config.flip, config.shift_px, config.turn_deg)
    held_out = np.array(data.images[data.indices("valid")[: config.valid_nimg]])
    total = min(config.total_nimg, stop_nimg or config.total_nimg)
    parameters, averages = list(net.parameters()), list(ema.parameters())

    bar = tqdm(total=config.total_nimg, initial=nimg, unit="img", unit_scale=True, mininterval=0.5 if sys.stderr.isatty() else 20)
    sums, steps, skipped, left_out, tick_start, tick_nimg = torch.zeros(3), 0, 0, 0, time.monotonic(), nimg
    source = prefetch(lambda at: batches(at, config.batch_size)[0], nimg, config.batch_size)
    while nimg < total:
        # One step.
        x = images.to_float(next(source)).to(device)
        for group in optimizer.param_groups:
            group["lr"] = cosine(nimg, config.total_nimg, config.lr, config.lr_final_share, config.lr_ramp_nimg)
        beta, target = config.beta_schedule.weight(nimg, config.beta), config.beta_schedule.target(nimg)
        noise, pull = generator(config.seed, 3, nimg), config.adversary.weight_at(nimg)
        show = random_square(config.net.shape, config.look_px, generator(config.seed, 6, nimg)).of if config.look_px else nn.Identity()
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            mean, posterior = trained(x, noise)
            look = features(show(x), show(mean), share).mean() if features is not None else torch.zeros((), device=device)
        likelihood.update(x, mean.detach())
        bound = elbo(likelihood, x, mean, posterior)
        rate = free_rate(posterior, config.free_nats) if config.free_nats else bound.rate.mean()
        spectrum = focal_frequency(x, mean).mean() if config.focal_weight else torch.zeros((), device=device)
        # Everything in nats per pixel and channel: one clip_norm for every size.
        dimensions = x[0].numel()
        picture = bound.distortion.mean() / dimensions + config.feature_weight * look + config.focal_weight * spectrum
        cost = price(rate, beta, target) / dimensions
        if config.centre_pull:
            cost = cost + beta * config.centre_pull * 0.5 * posterior.mean.square().sum(1).mean() / dimensions
        optimizer.zero_grad()
        if config.adversary.weight and nimg >= config.adversary.start_nimg:
            rivals = (adversary, rival, net)
            random, half = generator(config.seed, 5, nimg), config.precision == "bf16"
            picture = contest(*rivals, x, mean, posterior, picture, pull, random, half, show)
        accelerator.backward(picture + cost)
        norm = accelerator.clip_grad_norm_(parameters, config.clip_norm)
        if watch.accepts(norm):
            optimizer.step()
            skipped = 0
        else:
            skipped, left_out = skipped + 1, left_out + 1
            if skipped == MAX_SKIPPED:
                raise FloatingPointError(
                    f"{MAX_SKIPPED} steps in a row had a gradient that is not finite, or far longer than usual; "
                    f"{state_path} holds the last good state"
                )
        nimg += config.batch_size

        # Average the weights; young runs forget faster, so that the average is never mostly noise.
        halflife = min(config.ema_halflife_nimg, max((seen + nimg) / 10, 1))
        torch._foreach_lerp_(averages, parameters, 1 - 0.5 ** (config.batch_size / halflife))
        for slow, fast in zip(ema.buffers(), net.buffers(), strict=True):
            slow.copy_(fast)  # statistics of BatchNorm are averages already
        sums += torch.stack([bound.distortion.mean(), bound.rate.mean(), norm.nan_to_num(posinf=0)]).detach().cpu()
        steps += 1
        bar.update(config.batch_size)

        # Tick: measure, draw, write.
        if nimg % config.tick_nimg == 0 or nimg == total:
            distortion, rate, norm_mean = (sums / steps).tolist()
            stats = {
                "nimg": nimg,
                "distortion": distortion,
                "rate": rate,
                "grad_norm": norm_mean,
                "beta": beta,
                "lr": optimizer.param_groups[0]["lr"],
                "skipped": left_out,
                "img_per_sec": (nimg - tick_nimg) / (time.monotonic() - tick_start),
            } | measure(ema, likelihood, held_out, device)
            bar.set_postfix_str(f"rate {stats['valid_rate']:.0f} nats, PSNR {stats['valid_psnr_db']:.2f} dB", refresh=False)
            draw_sheets(ema, held_out, run / "sheets", nimg, device)
            with (run / "stats.jsonl").open("a") as file:
                file.write(json.dumps(stats) + "\n")
            save_state(state_path, modules, optimizers, described, nimg)
            sums, steps, left_out, tick_start, tick_nimg = torch.zeros(3), 0, 0, time.monotonic(), nimg
    source.close()
    bar.close()
    return state_path


def freeze(net: VAE, beginnings: tuple[str, ...]) -> None:
    """Keep the weights whose names begin so from learning; `ValueError` for a beginning that no name has."""
    names = [name for name, _ in net.named_parameters()]
    if unknown := [b for b in beginnings if not any(name.startswith(b) for name in names)]:
        raise ValueError(f"no weight of the net begins with {', '.join(unknown)}, so it cannot be frozen; the first is {names[0]}")
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(not name.startswith(beginnings))


def generator(*key: int) -> torch.Generator:
    """The random numbers of one step: the same ones in a resumed run."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))


@torch.inference_mode()
def measure(net: VAE, likelihood: GaussianLikelihood, pictures: np.ndarray, device: torch.device) -> dict[str, float]:
    """Distortion and rate (nats per image) and PSNR (dB) of reconstructions through the posterior mean, and the active units."""
    rows, means = [], []
    for part in np.array_split(pictures, -(-len(pictures) // 64)):
        x = images.to_float(part).to(device)
        posterior = net.encode(x)
        mean = net.decode(posterior.mode)
        bound = elbo(likelihood, x, mean, posterior)
        rows.append(torch.stack([bound.distortion, bound.rate, psnr_db(x, mean)]))
        means.append(posterior.mode)
    distortion, rate, psnr = torch.cat(rows, dim=1).mean(dim=1).tolist()
    return {"valid_distortion": distortion, "valid_rate": rate, "valid_psnr_db": psnr, "active_units": active_units(torch.cat(means))}


def active_units(means: Float[Tensor, "n d"]) -> int:
    """Latent dimensions whose posterior mean varies over pictures, by more than 0.01 (Burda et al., IWAE, 2016, section 5.2)."""
    return int((means.var(dim=0) > 0.01).sum())


def pixels(shape: tuple[int, int, int]) -> str:
    """The shape of a picture in words."""
    channels, height, width = shape
    return (f"{height} px" if height == width else f"{height} × {width} px") + ("" if channels == 3 else f" and {channels} channel")


def drop_later_stats(path: Path, nimg: int) -> None:
    """Forget the lines that a killed run wrote after its last state."""
    if path.is_file():
        lines = [line for line in path.read_text().splitlines() if line and json.loads(line)["nimg"] <= nimg]
        write_atomic(path, lambda p: p.write_text("".join(line + "\n" for line in lines)))

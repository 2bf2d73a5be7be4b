"""fit(): the training loop of the VAE, from top to bottom."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor, nn

from facevae.files import write_json
from facevae.nets.classifier import AttributeClassifier
from facevae.photo import images
from train.data.batches import PictureSource, Variation, prefetch
from train.vae.adversary import adversarial_step
from train.vae.config import TrainConfig
from train.vae.distributed import Ranks
from train.vae.gradient_guard import MAX_SKIPPED
from train.vae.logging import Tally, Tracker, add_line, available, drop_later_stats, progress, tracking
from train.vae.losses import elbo, free_rate, psnr_db, weighted_rate
from train.vae.perceptual import focal_frequency, random_window
from train.vae.resume import images_before
from train.vae.sample_sheets import draw_sheets
from train.vae.signals import Stop
from train.vae.train_state import Learner, generator
from train.vae.warm_start import HISTORY, begin_with

NOTHING: Mapping[str, Any] = {}


def fit(
    config: TrainConfig,
    data: PictureSource,
    run: Path,
    stop_nimg: int | None = None,
    guide: AttributeClassifier | None = None,
    start: Path | None = None,
    origin: Mapping[str, Any] = NOTHING,
    tracker: Tracker | None = None,
) -> Path:
    """Train, or go on training, the run in folder `run`; gives the path of its last state.

    The folder holds `config.json`, `stats.jsonl`, `sheets/` and the last two states, written at every tick and where a signal
    stops the run (`KeyboardInterrupt`), so that a killed run loses at most one tick; on the CPU the resumed run is bit-equal to an
    unbroken one. `stop_nimg` ends early, as a kill after that tick would. `guide` is the classifier whose features losses compare
    (see `config.wants_guide`). A new run begins with the weights of `start`, another run or a checkpoint, and `start.json` says so.
    `config.json` repeats `origin`: what else it takes to give the same command again. Processes that `accelerate launch` started
    share each batch, which is the one that a single process would see. `ValueError` where data, run and config do not fit each
    other or the disk is full, `FloatingPointError` where the gradient stays not finite; the last state is whole either way.
    """
    # Accelerate's own precision belongs to the process; two runs of one report may differ in theirs.
    accelerator = Accelerator(mixed_precision="no", cpu=not torch.cuda.is_available(), log_with=available(tracker), project_dir=run)
    ranks, device = Ranks(accelerator.process_index, accelerator.num_processes), accelerator.device
    check(config, data, guide, ranks)
    learner, state_path = Learner(config, guide, device), run / "state.safetensors"

    # Resume where the folder holds a state; begin with other weights where they are given.
    nimg, tally = learner.load(state_path) if state_path.is_file() else (0, Tally())
    seen = begin(learner, nimg, run, start, data, ranks)
    if ranks.main:
        write_json(run / "config.json", learner.described | {"data": data.name, "start": str(start.resolve()) if start else None} | origin)
    trained = prepare_for_processes(accelerator, learner.net, ranks)
    batches = data.batches(config.seed, config.batch_size, Variation(config.flip, config.shift_px, config.turn_deg))
    rows, held_out = ranks.rows(config.batch_size), data.pictures("valid", config.valid_nimg)
    total = min(config.total_nimg, stop_nimg or config.total_nimg)

    source, pace = prefetch(lambda at: batches(at, rows), nimg, config.batch_size), (time.monotonic(), nimg)
    bar = progress(config.total_nimg, nimg, silent=not ranks.main)
    with closing(source), closing(bar), tracking(accelerator, learner.described), Stop() as stop:
        while nimg < total:
            # One step: the loss of this process's rows, the gradient of all rows, a step along it if it is of use, the average.
            x = images.to_float(next(source)).to(device)
            beta, lr = config.beta_schedule.weight(nimg, config.beta), learner.set_rate(nimg)
            loss, found = objective(learner, trained, x, nimg, beta, ranks)
            accelerator.backward(loss)
            norm = accelerator.clip_grad_norm_(learner.parameters, config.clip_norm)
            tally.count(torch.stack([*found, norm]).detach().cpu(), followed=learner.follow(norm))
            if tally.in_a_row == MAX_SKIPPED:
                raise FloatingPointError(
                    f"{MAX_SKIPPED} steps in a row had a gradient that is not finite, or far longer than usual; "
                    f"{state_path} holds the last good state"
                )
            nimg += config.batch_size
            learner.average(seen + nimg)
            bar.set_postfix_str(tally.line(), refresh=False)
            bar.update(config.batch_size)

            # Tick: measure, draw, write. Between two of them the state is written only when the run is asked to stop.
            at_tick, stopped = nimg % config.tick_nimg == 0 or nimg == total, ranks.any(stop.requested, device)
            if at_tick or stopped:
                tally.share(ranks, device)
            if at_tick:
                valid, encodings = measure(learner, held_out, ranks)
                stats = tally.stats(nimg, beta, lr, pace) | valid
                accelerator.log({k: v for k, v in stats.items() if v is not None}, step=nimg)
                tally, pace = tally.next(stats), (time.monotonic(), nimg)
            if ranks.main and (at_tick or stopped):
                with report_write_errors(run):
                    if at_tick:
                        draw_sheets(learner.ema, held_out, encodings.to(device), run / "sheets", nimg)
                        add_line(run / "stats.jsonl", stats)
                    learner.save(state_path, nimg, tally)
            if stopped:
                raise KeyboardInterrupt
    return state_path


def check(config: TrainConfig, data: PictureSource, guide: AttributeClassifier | None, ranks: Ranks) -> None:
    """`ValueError` where config, data, guide and the number of processes do not fit each other."""
    if data.shape != config.net.shape:
        raise ValueError(f"{data.name} holds pictures of {pixels(data.shape)}, the net wants {pixels(config.net.shape)}")
    if config.wants_guide and guide is None:
        raise ValueError("feature_weight and an adversary that sees features need a classifier, but no classifier was given: name its run")
    ranks.rows(config.batch_size)
    if config.adversary.weight:
        ranks.rows(config.adversary.count_drawn(config.batch_size))


def begin(learner: Learner, nimg: int, run: Path, start: Path | None, data: PictureSource, ranks: Ranks) -> int:
    """Make the run folder what it was after `nimg` images, and all processes equal; the images that the first weights had seen."""
    if len(set(ranks.collect({ranks.rank: nimg}))) > 1:
        raise ValueError(f"not all processes see the same state in {run}: it must lie on a disk that all machines share")
    if ranks.main:
        for left in (*run.glob(".*.tmp"), *(run / "sheets").glob(".*.tmp")):
            left.unlink()  # what was being written when the run was killed
        drop_later_stats(run / "stats.jsonl", nimg)
        if not nimg:
            for name in ("start.json", HISTORY):
                (run / name).unlink(missing_ok=True)  # of a run that was stopped before its first tick
            if start is not None:
                begin_with(start, learner.net, learner.ema, learner.likelihood, run, data)
    ranks.copy_from_main(learner.modules.values())
    return ranks.collect({ranks.rank: images_before(run)})[0]


def prepare_for_processes(accelerator: Accelerator, net: nn.Module, ranks: Ranks) -> nn.Module:
    """The net as the processes train it together; `ValueError` for one whose layers mix the pictures of a batch."""
    if ranks.count > 1 and any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in net.modules()):
        raise ValueError("a net with BatchNorm learns in one process only: each would see the statistics of its own pictures")
    return accelerator.prepare(net)


def objective(
    learner: Learner, trained: nn.Module, x: Float[Tensor, "b c h w"], nimg: int, beta: float, ranks: Ranks
) -> tuple[Float[Tensor, ""], tuple[Tensor, Tensor]]:
    """What the weights shall lower for these pictures, in nats per pixel and channel: one clip_norm for every size.

    Beside it distortion and rate in nats per image. `beta` is the weight of the rate. The adversary learns on the way.
    """
    config, device = learner.config, learner.device
    random, pull = generator(config.seed, 3, nimg), config.adversary.weight_at(nimg)
    noise = ranks.draw(lambda n: torch.randn((n, config.net.latent), generator=random), [len(x)]).to(device)
    show = random_window(config.net.shape, config.look_px, generator(config.seed, 6, nimg)).of if config.look_px else nn.Identity()
    nothing = torch.zeros((), device=device)
    with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        mean, posterior = trained(x, noise=noise)
        look = learner.features(show(x), show(mean), learner.share).mean() if learner.features is not None else nothing
    learner.likelihood.update(x, mean.detach(), ranks.mean)
    bound = elbo(learner.likelihood, x, mean, posterior)
    rate = free_rate(posterior, config.free_nats, ranks.mean) if config.free_nats else ranks.mean(bound.rate.mean())
    spectrum = focal_frequency(x, mean).mean() if config.focal_weight else nothing
    dimensions = x[0].numel()
    picture = bound.distortion.mean() / dimensions + config.feature_weight * look + config.focal_weight * spectrum
    cost = weighted_rate(rate, beta, config.beta_schedule.target(nimg)) / dimensions
    if config.centre_pull:
        cost = cost + beta * config.centre_pull * 0.5 * posterior.mean.square().sum(1).mean() / dimensions
    learner.optimizer.zero_grad()
    if config.adversary.weight and nimg >= config.adversary.start_nimg:
        rivals = (learner.adversary, learner.rival, learner.net)
        random, half = generator(config.seed, 5, nimg), config.precision == "bf16"
        picture = adversarial_step(*rivals, x, mean, posterior, picture, pull, random, half, show, ranks)
    return picture + cost, (bound.distortion.mean(), bound.rate.mean())


@contextmanager
def report_write_errors(run: Path) -> Iterator[None]:
    """Says in one sentence that a run could not be written."""
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"{run} cannot be written ({error}); what was saved before is whole: make room, and the same command goes on"
        ) from None


@torch.inference_mode()
def measure(learner: Learner, pictures: np.ndarray, ranks: Ranks) -> tuple[dict[str, float], Float[Tensor, "n d"]]:
    """Distortion and rate (nats per image) and PSNR (dB) of reconstructions through the posterior mean, and the active units; the means.

    Each process measures its share of the pictures, and all of them get what one would have got alone.
    """
    own = {}
    for number, part in enumerate(np.array_split(pictures, -(-len(pictures) // 64))):
        if number % ranks.count == ranks.rank:
            x = images.to_float(part).to(learner.device)
            posterior = learner.ema.encode(x)
            mean = learner.ema.decode(posterior.mode)
            bound = elbo(learner.likelihood, x, mean, posterior)
            own[number] = torch.stack([bound.distortion, bound.rate, psnr_db(x, mean)]).cpu(), posterior.mode.cpu()
    rows, parts = zip(*ranks.collect(own), strict=True)
    means = torch.cat(parts)
    distortion, rate, psnr = torch.cat(rows, dim=1).mean(dim=1).tolist()
    return {"valid_distortion": distortion, "valid_rate": rate, "valid_psnr_db": psnr, "active_units": active_units(means)}, means


def active_units(means: Float[Tensor, "n d"]) -> int:
    """Latent dimensions whose posterior mean varies over pictures, by more than 0.01 (Burda et al., IWAE, 2016, section 5.2)."""
    return int((means.var(dim=0) > 0.01).sum())


def pixels(shape: tuple[int, int, int]) -> str:
    """The shape of a picture in words."""
    channels, height, width = shape
    return (f"{height} px" if height == width else f"{height} × {width} px") + ("" if channels == 3 else f" and {channels} channel")

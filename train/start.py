"""A new run that begins with the weights of an older one."""

from pathlib import Path

from facevae.checkpoint import Checkpoint
from facevae.files import write_json
from facevae.nets.vae import VAE
from train.losses import GaussianLikelihood
from train.state import images_before, read_state


def begin_with(start: Path, net: VAE, ema: VAE, likelihood: GaussianLikelihood, run: Path) -> None:
    """Put the averaged weights and the variance of another run, or of a checkpoint folder, into a new run, and note it there."""
    if (start / "state.safetensors").is_file():
        parts, _, nimg = read_state(start / "state.safetensors")
        weights, variance = parts["ema"], parts["likelihood"]["variance"]
        nimg += images_before(start)
    else:
        checkpoint = Checkpoint.from_pretrained(start)
        weights, variance, nimg = checkpoint.net.state_dict(), checkpoint.variance, checkpoint.evaluation["training"]["nimg"]
    for module in (net, ema):
        try:
            module.load_state_dict(weights, strict=True)
        except RuntimeError as error:
            raise ValueError(f"{start} has a net of another shape than this config ({' '.join(str(error).split())[:200]})") from None
    if likelihood.rate:
        likelihood.variance.copy_(variance)
    write_json(run / "start.json", {"from": start.name, "nimg": nimg})

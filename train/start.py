"""A new run that begins with the weights of an older one, of the same net or of a smaller one."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from facevae.checkpoint import Checkpoint
from facevae.files import write_json
from facevae.nets.residual import ResidualVAE
from facevae.nets.vae import VAE
from train.losses import GaussianLikelihood
from train.state import images_before, read_state

AT_THE_PIXELS = ("encoder.stem.", "decoder.norm.", "decoder.to_pixels.", "decoder.smooth.")


def begin_with(start: Path, net: VAE, ema: VAE, likelihood: GaussianLikelihood, run: Path) -> None:
    """Put the averaged weights and the variance of another run, or of a checkpoint folder, into a new run, and note it there.

    A residual net may have finer levels, a wider head or more latent dimensions than the older one had: those begin
    with the new run's own weights.
    """
    if (start / "state.safetensors").is_file():
        parts, _, nimg = read_state(start / "state.safetensors")
        weights, variance = parts["ema"], parts["likelihood"]["variance"]
        nimg += images_before(start)
    else:
        checkpoint = Checkpoint.from_pretrained(start)
        weights, variance, nimg = checkpoint.net.state_dict(), checkpoint.variance, checkpoint.evaluation["training"]["nimg"]
    wanted = net.state_dict()
    if isinstance(net, ResidualVAE):
        weights = grown(weights, wanted)
    for module in (net, ema):
        try:
            module.load_state_dict(weights, strict=True)
        except RuntimeError as error:
            raise ValueError(f"{start} has a net of another shape than this config ({' '.join(str(error).split())[:200]})") from None
    if likelihood.rate:
        likelihood.variance.copy_(variance)
    write_json(run / "start.json", {"from": start.name, "nimg": nimg})


def grown(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a residual net under the names and in the shapes that they have in one with finer levels, or a wider head.

    An encoder grows at its front, a decoder at its end (Karras et al., Progressive Growing of GANs, 2018), so layers are counted
    from the other side; stem and head touch the pixels and are then made anew. With more channels in the head, or more latent
    dimensions, a net draws the same pictures at first: the new ones begin unheard. Weights that fit nowhere
    keep their names, and are named by whoever loads them.
    """
    shift = count_levels("encoder", wanted) - count_levels("encoder", weights)
    drawn = count_levels("decoder", weights)
    # What growing adds, and nothing else: a weight that is missing elsewhere is missed by whoever loads these.
    kept = {k: v for k, v in wanted.items() if is_new(k, shift, drawn) or (k.startswith("decoder.pixels.") and k not in weights)}
    old, new = weights["decoder.stem.weight"].shape[1], wanted["decoder.stem.weight"].shape[1]
    if old < new:
        wider = {k: wanted[k].clone() for k in ("encoder.out.weight", "encoder.out.bias", "decoder.stem.weight")}
        for part in ("weight", "bias"):
            mean, logvar = weights[f"encoder.out.{part}"].chunk(2)
            wider[f"encoder.out.{part}"][:old], wider[f"encoder.out.{part}"][new : new + old] = mean, logvar
        wider["decoder.stem.weight"].zero_()[:, :old] = weights["decoder.stem.weight"]
        weights = {**weights, **wider}
    if not shift and weights["decoder.smooth.weight"].shape[1] < wanted["decoder.smooth.weight"].shape[1]:
        rows, channels = len(weights["decoder.to_pixels.weight"]), weights["decoder.smooth.weight"].shape[1]
        wider = {k: wanted[k].clone() for k in ("decoder.to_pixels.weight", "decoder.to_pixels.bias", "decoder.smooth.weight")}
        for part in ("weight", "bias"):
            wider[f"decoder.to_pixels.{part}"][:rows] = weights[f"decoder.to_pixels.{part}"]
        wider["decoder.smooth.weight"].zero_()[:, :channels] = weights["decoder.smooth.weight"]
        weights = {**weights, **wider}
    for name, value in weights.items():
        if name.startswith("encoder.levels."):
            index, rest = name.removeprefix("encoder.levels.").split(".", 1)
            name = f"encoder.levels.{int(index) + shift}.{rest}"
        elif shift and name.startswith(AT_THE_PIXELS):
            continue
        kept[name] = value
    return kept


def is_new(name: str, shift: int, drawn: int) -> bool:
    """Whether a weight of the larger net belongs to what growing by `shift` layers adds; the smaller decoder has `drawn` layers."""
    if shift and name.startswith(AT_THE_PIXELS):
        return True
    if not name.startswith(("encoder.levels.", "decoder.levels.")):
        return False
    part, _, index, _ = name.split(".", 3)
    return int(index) < shift if part == "encoder" else int(index) >= drawn


def count_levels(part: str, weights: Mapping[str, Tensor]) -> int:
    """Layers of an encoder or decoder up to the last that has weights."""
    return 1 + max(int(name.split(".")[2]) for name in weights if name.startswith(f"{part}.levels."))

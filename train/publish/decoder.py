"""Give a checkpoint folder the decoder of a run that kept its encoder."""

from dataclasses import replace
from pathlib import Path

from facevae.checkpoint.checkpoint import Checkpoint
from train.measure.encodings import load_run
from train.publish.export import same_weights, write_with_card


def add_decoder(folder: Path, run: Path) -> Checkpoint:
    """Put the decoder of a run (`fit --start folder --config.frozen encoder.`) into a checkpoint folder, with the variance of its pixels.

    Encodings keep their meaning, so directions, prior and all else stay. What was measured of pictures of the decoder before stays until
    it is measured again. `ValueError` where the run has another encoder.
    """
    checkpoint, trained = Checkpoint.from_pretrained(folder), load_run(run)
    if trained.net.config != checkpoint.net.config or not same_weights(trained.net.encoder, checkpoint.net.encoder):
        raise ValueError(f"{run} has another encoder than {folder}: encodings, directions and prior would mean something else")
    training = {"nimg": trained.nimg, **{k: trained.config[k] for k in ("beta", "seed", "batch_size", "lr")}}
    evaluation = checkpoint.evaluation | {"training": training}
    return write_with_card(folder, replace(checkpoint, net=trained.net, variance=trained.variance, evaluation=evaluation))

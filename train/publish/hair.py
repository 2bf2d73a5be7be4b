"""Give a checkpoint folder, of format 5 too, a face parser and slopes of hair colour."""

import hashlib
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from jaxtyping import Float
from torch import Tensor

from facevae.checkpoint.checkpoint import FORMAT, Checkpoint, save_checkpoint
from facevae.checkpoint.manifest import parse_json, read_bytes, write_manifest
from facevae.files import write_json, write_tensors
from facevae.latent.directions import Direction
from facevae.nets.architectures import config_from
from facevae.nets.parser import FaceParser
from facevae.nets.residual import ResidualConfig
from train.data.prepared import PreparedData
from train.latent.hair_colour import explained_hair, fit_hair, hair_colours_at, hair_ranges, hold_hair
from train.measure.encodings import encode_many

VALID_FACES = 1_000


def add_hair(folder: Path, parser: FaceParser, data: PreparedData, faces: int) -> tuple[Checkpoint, dict[str, float], list[list[float]]]:
    """Write parser and slopes, fitted to the first `faces` train faces, into a checkpoint folder; gives R² and ranges, too.

    Encodings are the VAE's own, R² (of L*, a*, b*) is that on valid faces, ranges are those of `hair_ranges`. Directions are held by the
    slopes (see `hold_hair`). What else is in the folder, the card too, stays as it is. `ValueError` where `folder` holds no checkpoint of
    this format or of format 5, or `data` smaller pictures than its VAE's.
    """
    checkpoint = open_with_parser(folder, parser)
    data = data.resized((3, checkpoint.net.config.size, checkpoint.net.config.size))
    train, valid = data.indices("train")[:faces], data.indices("valid")[:VALID_FACES]
    z, held = (encode_many(checkpoint.net, data, index, f"encode {name}") for index, name in ((train, "train"), (valid, "valid")))
    colours, held_colours = (hair_colours_at(parser, data.images, index) for index in (train, valid))
    slopes = fit_hair(z, colours, checkpoint.cholesky)
    directions = {name: held_direction(direction, slopes, checkpoint.cholesky) for name, direction in checkpoint.directions.items()}
    checkpoint = replace(checkpoint, hair=slopes, directions=directions)
    checkpoint = replace(checkpoint, digest=save_checkpoint(folder, checkpoint))
    return checkpoint, explained_hair(held, held_colours, slopes), hair_ranges(colours)


def held_direction(direction: Direction, slopes: Float[Tensor, "3 d"], cholesky: Float[Tensor, "d d"]) -> Direction:
    """The direction with a step that `hold_hair` leaves."""
    step = hold_hair(direction.name, direction.step, slopes, cholesky)
    return replace(direction, vector=step / step.norm(), sigma=float(step.norm()))


def open_with_parser(folder: Path, parser: FaceParser) -> Checkpoint:
    """The checkpoint of a folder, with this parser in place of its own. One of format 5 has neither parser nor slopes: those are 0 here."""
    path = folder / "config.json"
    config = parse_json(read_bytes(path), path)
    if config.get("format") != 5:
        return replace(Checkpoint.from_pretrained(folder), parser=parser)
    with TemporaryDirectory() as temporary:
        copy = Path(temporary) / folder.name
        shutil.copytree(folder, copy)
        latent = config_from(ResidualConfig, config.get("net"), f"{path}: net").latent
        write_tensors(copy / "parser.safetensors", parser.state_dict())
        write_tensors(copy / "hair.safetensors", {"slopes": torch.zeros(3, latent)})
        # The hashes of all other files stay those that format 5 lists, so each is still checked.
        added = {name: hashlib.sha256((copy / name).read_bytes()).hexdigest() for name in ("parser.safetensors", "hair.safetensors")}
        described = {"format": FORMAT, "parser": asdict(parser.config), "files": config.get("files", {}) | added}
        write_json(copy / "config.json", config | described)
        write_manifest(copy, FORMAT)
        return Checkpoint.from_pretrained(copy)

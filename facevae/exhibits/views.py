"""Latents and pictures for the tab Inside the model: traversals, directions, map points.

NumPy in, NumPy out; each function is pure.
"""

import threading
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8

from facevae.exhibits.exhibit import Exhibit
from facevae.latent.paths import noise_from_seed
from facevae.photo import images

SPAN = np.linspace(-3, 3, 7, dtype=np.float32)
"""Where a traversal and a direction are drawn, in standard deviations; the face itself in the middle."""
TEMPERATURE = 0.8
"""Faces of the Gaussian of the encodings are drawn this much closer to its mean, as in the Create tab."""
_turn = threading.Lock()  # a few cores: calls take turns


def decode(exhibit: Exhibit, z: Float32[np.ndarray, "n d"]) -> UInt8[np.ndarray, "n h w c"]:
    """The pictures of latents."""
    with _turn, torch.inference_mode():
        return images.to_uint8(exhibit.model.decode(torch.from_numpy(np.ascontiguousarray(z, np.float32))))


def encode(exhibit: Exhibit, pictures: UInt8[np.ndarray, "n h w c"]) -> Float32[np.ndarray, "n d"]:
    """Means of the posteriors of pictures in the exhibit's shape."""
    x = images.to_float(pictures)
    with _turn, torch.inference_mode():
        return exhibit.model.encode(x).mode.numpy()


def resize(picture: UInt8[np.ndarray, "s s 3"], shape: tuple[int, int, int]) -> UInt8[np.ndarray, "h w c"]:
    """A face crop in the shape that a net was trained on."""
    return images.shrink(picture[None], shape)[0]


# Dimensions -----------------------------------------------------------------------------------------------------------


def importance(exhibit: Exhibit) -> tuple[Float[np.ndarray, " d"], str]:
    """How much each latent dimension carries: its KL in nats, or the variance of its encodings where there is no KL; and the unit."""
    if exhibit.about.kl_nats is not None:
        return np.array(exhibit.about.kl_nats), "nats"
    return exhibit.space.spread_of_dimensions**2, "variance"


def order(exhibit: Exhibit) -> list[int]:
    """Latent dimensions, the one that carries most first."""
    return np.argsort(-importance(exhibit)[0], kind="stable").tolist()


def strongest(exhibit: Exhibit, count: int) -> list[int]:
    """The latent dimensions whose correlation with any attribute is largest, the largest first."""
    if not len(exhibit.space.correlation):
        return []
    return np.argsort(-np.abs(exhibit.space.correlation).max(0), kind="stable")[:count].tolist()


# Latents --------------------------------------------------------------------------------------------------------------


def start_latent(exhibit: Exhibit, seed: int | None) -> Float32[np.ndarray, " d"]:
    """The face of a seed, drawn from the Gaussian of the encodings; for None, the mean of all encodings."""
    space = exhibit.space
    if seed is None:
        return space.mean
    noise = noise_from_seed(seed, len(space.mean)).numpy()
    return space.mean + (TEMPERATURE * noise * space.spread) @ space.basis


def normal(exhibit: Exhibit, seeds: Sequence[int]) -> Float32[np.ndarray, "n d"]:
    """N(0, I), one latent for each seed."""
    return np.stack([noise_from_seed(seed, exhibit.about.latent).numpy() for seed in seeds])


def traversal(exhibit: Exhibit, dimensions: Sequence[int], start: Float32[np.ndarray, " d"]) -> Float32[np.ndarray, "r 7 d"]:
    """For each dimension a row of latents: the start with this one value moved by `SPAN` of its spread, all others as they are."""
    spread = exhibit.space.spread_of_dimensions
    rows = np.tile(start, (len(dimensions), len(SPAN), 1))
    for row, j in zip(rows, dimensions, strict=True):
        row[:, j] += SPAN * spread[j]
    return rows


def attribute_traversal(exhibit: Exhibit, attribute: str, start: Float32[np.ndarray, " d"]) -> Float32[np.ndarray, "7 d"]:
    """The start moved along the direction of an attribute, by `SPAN` σ."""
    step = exhibit.space.steps[list(exhibit.about.directions).index(attribute)]
    return start + SPAN[:, None] * step


def at_point(exhibit: Exhibit, index: int, attribute: str | None) -> Float32[np.ndarray, " d"]:
    """A latent that lies exactly at a point of the map, where the map says nothing of it drawn at random, from the point's number.

    Its first two principal coordinates are those of the point. The others come from the Gaussian of the encodings, moved
    to the mean of those that have, or lack, the attribute as the point does. It is not the encoding of anybody's photo.
    """
    space = exhibit.space
    if not 0 <= index < len(space.points):
        raise ValueError(f"there is no point {index}, the map has {len(space.points)}, counted from 0")
    centre = space.mean
    if attribute is not None:
        column = exhibit.about.attributes.index(attribute)
        centre = space.class_means[column, space.labels[index, column]]
    coordinates = space.basis @ (centre - space.mean)
    coordinates += TEMPERATURE * space.spread * noise_from_seed(index, len(space.mean)).numpy()
    coordinates[:2] = space.points[index]
    return space.mean + coordinates @ space.basis

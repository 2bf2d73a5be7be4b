"""Drawing: new faces from the latent space: from seeds, from seeds that fit a wish, from the neighbourhood of a face."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch

from facevae.faces import Drawn, Face
from facevae.latent.priors import standard_normal
from facevae.sampling import MAX_NEIGHBOURS, MAX_TRIES, Search, keep_fitting, nearby
from facevae.studio import Studio

MAX_FACES = 64
MAX_SEED = 2**32


class Drawing(Studio):
    """Faces from no photo: the part of the editor that draws them."""

    def generate(self, seeds: Sequence[int], temperature: float = 0.8, prior: Literal["fitted", "normal"] = "fitted") -> list[Face]:
        """Draw a new face for each seed; the same seed is the same face in any batch."""
        if not 1 <= len(seeds) <= MAX_FACES:
            raise ValueError(f"{len(seeds)} faces were asked for; 1 to {MAX_FACES} can be drawn at once")
        if any(not 0 <= int(s) < MAX_SEED for s in seeds):
            raise ValueError(f"a seed must be a whole number from 0 to {MAX_SEED - 1}")
        if not 0 <= temperature <= 3:
            raise ValueError(f"the temperature must lie between 0 and 3, not {temperature:g}")
        if prior not in ("fitted", "normal"):
            raise ValueError(f"the prior must be fitted or normal, not {prior}")
        d = self.checkpoint.net.config.latent
        draw = self.checkpoint.prior.from_seed if prior == "fitted" else lambda seed, t: standard_normal(seed, d, t)
        with self._lock, torch.inference_mode():
            faces = []
            for seed in map(int, seeds):
                face = self._bare(draw(seed, temperature), f"face-{seed}")
                faces.append(replace(face, seed=seed, drawn=Drawn(seed, float(temperature), prior)))
        return faces

    def search(
        self,
        wanted: Mapping[str, bool],
        first: int,
        count: int,
        temperature: float = 0.8,
        prior: Literal["fitted", "normal"] = "fitted",
        tries: int = MAX_TRIES,
    ) -> Iterator[Search]:
        """Draw the seeds from `first` on and keep the faces in which the classifier sees what is wanted, and not what is unwanted.

        A step for each try; ends with `count` faces, or after so many tries with fewer. The same call finds the same faces.
        """
        attributes = self.checkpoint.classifier.config.attributes
        if unknown := sorted(set(wanted) - set(attributes)):
            raise ValueError(f"the classifier does not know {', '.join(unknown)}; it knows {', '.join(attributes)}")
        if not 1 <= count <= MAX_FACES:
            raise ValueError(f"{count} faces were asked for; 1 to {MAX_FACES} can be searched for at once")
        if not 0 <= first < MAX_SEED:
            raise ValueError(f"a seed must be a whole number from 0 to {MAX_SEED - 1}")
        seeds = range(first, min(first + tries, MAX_SEED))
        yield from keep_fitting(lambda seed: self.generate([seed], temperature, prior)[0], self.probabilities, wanted, seeds, count)

    def neighbours(self, face: Face, indices: Sequence[int], radius: float = 0.5, seed: int = 0) -> list[Face]:
        """Faces near this one, see `facevae.sampling.nearby`; without a photo and without a seed, for no seed draws them."""
        if not 1 <= len(indices) <= MAX_FACES:
            raise ValueError(f"{len(indices)} neighbours were asked for; 1 to {MAX_FACES} can be drawn at once")
        if any(not 0 <= int(i) < MAX_NEIGHBOURS for i in indices) or not 0 <= seed < MAX_SEED:
            raise ValueError(f"neighbours are numbered from 0 to {MAX_NEIGHBOURS - 1}, with seeds from 0 to {MAX_SEED - 1}")
        if not 0 <= radius <= 1:
            raise ValueError(f"the radius must lie between 0 and 1, not {radius:g}")
        z, mean, cholesky = torch.from_numpy(face.latent + face.offset), self.checkpoint.prior.mean, self.checkpoint.cholesky
        stem = face.name if "-near-" in face.name else f"{face.name}-near"
        with self._lock, torch.inference_mode():
            return [self._bare(nearby(z, mean, cholesky, radius, seed, int(i)), f"{stem}-{int(i) + 1}") for i in indices]

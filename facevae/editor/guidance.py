"""Guiding: a search on z for wanted labels, and the report of what else it changed."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from facevae.attributes import SKIN_TONE
from facevae.editor.renderer import Renderer, as_pixels
from facevae.editor.types import Face, GuideReport, GuideStep
from facevae.latent.directions import displacement, hold, holding
from facevae.latent.guidance import GuidanceConfig, Tone, Wish
from facevae.latent.guidance import guide as guide_latent
from facevae.photo import images
from facevae.photo.alignment import whole
from facevae.photo.compositing import DETAIL
from facevae.photo.skin import cheeks

HEAD_STARTS = (0.2, 0.35, 0.5, 0.65, 0.8, 1.0, 1.2, 1.4)  # of the safe range
MOST_MOVED, LEAST_MOVED_SIGMA = 8, 0.25  # what a report names


class Guiding(Renderer):
    """Labels wanted: the part of the editor that finds the edit by itself."""

    def guide(
        self,
        face: Face,
        wanted: Mapping[str, bool],
        strengths: Mapping[str, float] = {},
        target: float = 0.9,
        steps: int = GuidanceConfig.steps,
        detail: float = DETAIL,
        locks: Collection[str] = (),
    ) -> Iterator[GuideStep]:
        """Search for the wanted labels by gradient steps on z, step by step; stops at the target probability, or on a plateau.

        What counts is what the classifier sees in the crop as the user gets it. The steps' faces carry the guidance, and the
        strengths that were set before, in `offset`. `locks` hold but for what is asked for, and so does the tone of the skin.
        The same call gives the same steps.
        """
        attributes = self.checkpoint.classifier.config.attributes
        if not wanted:
            raise ValueError("nothing was asked for: name at least one attribute")
        if unknown := sorted(set(wanted) - set(attributes)):
            raise ValueError(f"the classifier does not know {', '.join(unknown)}; it knows {', '.join(attributes)}")
        held, tone = self._locked([name for name in locks if name not in wanted]), None
        if not wanted.keys() & set(SKIN_TONE):
            free = torch.stack([hold(step, held, self.checkpoint.cholesky) for step in self.checkpoint.skin])
            held, tone = torch.cat([held, self.checkpoint.skin]), Tone(self._cheeks, free)
        with torch.inference_mode(False):  # what comes of it takes part in gradients
            project = holding(held.clone(), self.checkpoint.cholesky).mv if len(held) else None
        values, mask = (torch.tensor([f(a) for a in attributes]) for f in (lambda a: wanted.get(a, False), lambda a: a in wanted))
        config = GuidanceConfig(steps=steps, target=target)
        pictures = torch.zeros(config.views, 3, self.size, self.size)
        walk = guide_latent(
            self._renderer(face, detail, config.views),
            self._searched(self.checkpoint.classifier, lambda net: net.embed(pictures)).embed,
            self.checkpoint.classifier.head,
            self._move(face, strengths, locks),
            self._starts(wanted, self.probabilities(face, strengths, detail, locks)),
            self.checkpoint.cholesky,
            Wish.of(values, mask, self._statistics.correlation, self._statistics.guide_spread),
            torch.Generator().manual_seed(0),
            project,
            config,
            tone,
        )
        while True:
            with self._lock:
                step = next(walk, None)
            if step is None:
                return
            seen = dict(zip(attributes, step.logits.sigmoid().tolist(), strict=True))
            moved = replace(face, offset=step.move.numpy())
            asked = {name: seen[name] for name in wanted}
            yield GuideStep(moved, step.index, steps, step.probability, asked, step.loss, step.done, step.reason)

    def report(
        self,
        before: Face,
        strengths: Mapping[str, float],
        after: Face,
        wanted: Mapping[str, bool],
        detail: float = DETAIL,
        locks: Collection[str] = (),
    ) -> GuideReport:
        """What guidance did to the crop, from `before` with these strengths and locks to `after`, seen by the guide and by the judge."""
        attributes = self.checkpoint.classifier.config.attributes
        pairs = (before, self._move(before, strengths, locks)), (after, self._move(after, {}))
        crops = np.stack([self._in_crop(face, move, detail) for face, move in pairs])
        with self._lock, torch.inference_mode():
            logits, spread = self.checkpoint.classifier(images.to_float(crops)), self._statistics.guide_spread
            guide, judge = dict(zip(attributes, logits[1].sigmoid().tolist(), strict=True)), None
            if self.checkpoint.judge is not None:
                logits, spread = self.checkpoint.judge(images.to_float(crops)), self._statistics.judge_spread
                judge = dict(zip(attributes, logits[1].sigmoid().tolist(), strict=True))
        change = dict(zip(attributes, ((logits[1] - logits[0]) / spread).tolist(), strict=True))
        others = sorted(((name, sigma) for name, sigma in change.items() if name not in wanted), key=lambda pair: -abs(pair[1]))
        return GuideReport(
            asked=dict(wanted),
            guide={name: guide[name] for name in wanted},
            judge=judge and {name: judge[name] for name in wanted},
            moved=tuple(pair for pair in others[:MOST_MOVED] if abs(pair[1]) >= LEAST_MOVED_SIGMA),
            leakage=float(np.mean([abs(sigma) for _, sigma in others])) if others else 0.0,
        )

    def _cheeks(self, pictures: Tensor) -> Tensor:
        """Mean colour of the cheeks, (b, 3, s, s) -> (b, 3)."""
        return torch.einsum("bchw,hw->bc", pictures, torch.tensor(cheeks(self.size)))

    def _renderer(self, face: Face, detail: float, views: int) -> Callable[[Tensor], Tensor]:
        """moves (b, d) -> pictures (b, 3, s, s) as the user gets them, with the gradient of crop + mask · (G(z') - G(z)).

        Colour that the blending would not lay on the background does not count, though blending itself has no gradient.
        It is quickest for as many moves as `views`.
        """
        latent = torch.from_numpy(face.latent)
        decoder = self._searched(self.checkpoint.net.decoder, lambda net: net(latent.expand(views, -1)))
        before, crop, place = self._start(face), images.to_float(face.crop), whole(self.size)

        def render(moves: Tensor) -> Tensor:
            after = near = decoder(latent + moves).clamp(0, 1)
            pictures = images.to_uint8(after.detach())
            if face.photo is not None:
                near = crop + self._mask * (after - before)
                layers = after.detach().split(1)
                pictures = np.stack([self._paste(face.crop, as_pixels(before), as_pixels(layer), place, detail) for layer in layers])
            return near + (images.to_float(pictures) - near).detach()

        return render

    def _starts(self, wanted: Mapping[str, bool], seen: Mapping[str, float]) -> Tensor:
        """Head starts (k, d), gentle ones first: along the directions of those wanted labels that are not seen yet."""
        known = self.checkpoint.directions
        lacking = [name for name, want in wanted.items() if name in known and (seen[name] > 0.5) != want]
        whole_step = displacement(known, {name: known[name].high if wanted[name] else known[name].low for name in lacking})
        return torch.tensor(HEAD_STARTS if lacking else (0.0,))[:, None] * whole_step

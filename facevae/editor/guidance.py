"""Guidance: gradient search in latent space for wanted labels, and its report."""

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

HEAD_STARTS = (0.2, 0.35, 0.5, 0.65, 0.8, 1.0, 1.2, 1.4)  # shares of the safe range
MOST_MOVED, LEAST_MOVED_SIGMA = 8, 0.25  # a report names so many attributes, moved at least so far


class Guidance:
    """Finds edits by the classifier's gradient; member `guidance` of the editor."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer

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
        strengths that were set before, in `offset`. `locks` hold except for wanted labels, and so does the tone of the skin.
        The same call gives the same steps.
        """
        attributes = self.renderer.attributes
        if not wanted:
            raise ValueError("nothing was asked for: name at least one attribute")
        self.renderer.check_attributes(wanted)
        checkpoint = self.renderer.checkpoint
        locked, tone = self.renderer.locked_steps([name for name in locks if name not in wanted]), None
        if not wanted.keys() & set(SKIN_TONE):
            free = torch.stack([hold(step, locked, checkpoint.cholesky) for step in checkpoint.skin])
            locked, tone = torch.cat([locked, checkpoint.skin]), Tone(self._cheek_colour, free)
        with torch.inference_mode(False):  # what comes of it takes part in gradients
            project = holding(locked.clone(), checkpoint.cholesky).mv if len(locked) else None
        values, mask = (torch.tensor([f(a) for a in attributes]) for f in (lambda a: wanted.get(a, False), lambda a: a in wanted))
        config = GuidanceConfig(steps=steps, target=target)
        pictures = torch.zeros(config.views, 3, self.renderer.size, self.renderer.size)
        walk = guide_latent(
            self._differentiable_render(face, detail, config.views),
            self.renderer.packed_copy(checkpoint.classifier, lambda net: net.embed(pictures)).embed,
            checkpoint.classifier.head,
            self.renderer.move(face, strengths, locks),
            self._head_starts(wanted, self.renderer.probabilities(face, strengths, detail, locks)),
            checkpoint.cholesky,
            Wish.of(values, mask, checkpoint.labels.correlation, checkpoint.labels.guide_spread),
            torch.Generator().manual_seed(0),
            project,
            config,
            tone,
        )
        while True:
            with self.renderer.lock:
                step = next(walk, None)
            if step is None:
                return
            seen = dict(zip(attributes, step.logits.sigmoid().tolist(), strict=True))
            moved = replace(face, offset=step.move.numpy())
            probabilities = {name: seen[name] for name in wanted}
            yield GuideStep(moved, step.index, steps, step.probability, probabilities, step.loss, step.done, step.reason)

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
        checkpoint, attributes = self.renderer.checkpoint, self.renderer.attributes
        pairs = (before, self.renderer.move(before, strengths, locks)), (after, self.renderer.move(after, {}))
        crops = np.stack([self.renderer.edited_crop(face, move, detail) for face, move in pairs])
        with self.renderer.lock, torch.inference_mode():
            logits, spread = checkpoint.classifier(images.to_float(crops)), checkpoint.labels.guide_spread
            guide, judge = dict(zip(attributes, logits[1].sigmoid().tolist(), strict=True)), None
            if checkpoint.judge is not None:
                logits, spread = checkpoint.judge(images.to_float(crops)), checkpoint.labels.judge_spread
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

    def _cheek_colour(self, pictures: Tensor) -> Tensor:
        """Mean colour of the cheeks, (b, 3, s, s) -> (b, 3)."""
        return torch.einsum("bchw,hw->bc", pictures, torch.tensor(cheeks(self.renderer.size)))

    def _differentiable_render(self, face: Face, detail: float, views: int) -> Callable[[Tensor], Tensor]:
        """moves (b, d) -> pictures (b, 3, s, s) as the user gets them, with the gradient of crop + mask · (G(z') - G(z)).

        Colour that the blending would not lay on the background does not count, though blending itself has no gradient.
        It is quickest for as many moves as `views`.
        """
        latent = torch.from_numpy(face.latent)
        decoder = self.renderer.packed_copy(self.renderer.checkpoint.net.decoder, lambda net: net(latent.expand(views, -1)))
        before, crop, place = self.renderer.start_picture(face), images.to_float(face.crop), whole(self.renderer.size)

        def render(moves: Tensor) -> Tensor:
            after = near = decoder(latent + moves).clamp(0, 1)
            pictures = images.to_uint8(after.detach())
            if face.photo is not None:
                near = crop + self.renderer.mask * (after - before)
                layers = map(as_pixels, after.detach().split(1))
                pictures = np.stack([self.renderer.paste(face.crop, as_pixels(before), layer, place, detail) for layer in layers])
            return near + (images.to_float(pictures) - near).detach()

        return render

    def _head_starts(self, wanted: Mapping[str, bool], seen: Mapping[str, float]) -> Tensor:
        """Head starts (k, d), gentle ones first: along the directions of those wanted labels that are not seen yet."""
        known = self.renderer.checkpoint.directions
        lacking = [name for name, want in wanted.items() if name in known and (seen[name] > 0.5) != want]
        whole_step = displacement(known, {name: known[name].high if wanted[name] else known[name].low for name in lacking})
        return torch.tensor(HEAD_STARTS if lacking else (0.0,))[:, None] * whole_step

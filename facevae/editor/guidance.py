"""Guidance: gradient search in latent space for wanted labels, and its report."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from facevae.attributes import HAIR_COLOURS, PUT_ON, SKIN_TONE
from facevae.editor.edit_parts import moved_further, offset_parts
from facevae.editor.hair import Hair, shade_of
from facevae.editor.renderer import Renderer, applied_to, labels_in
from facevae.editor.types import Face, GuideReport, GuideStep
from facevae.latent.directions import displacement, hold, holding
from facevae.latent.guidance import GuidanceConfig, Wish
from facevae.latent.guidance import guide as guide_latent
from facevae.latent.makeup import FULL
from facevae.latent.moves import FLOW_LABELS, MOUTH
from facevae.photo import images
from facevae.photo.alignment import whole
from facevae.photo.compositing import DETAIL

HEAD_STARTS = (0.2, 0.35, 0.5, 0.65, 0.8, 1.0, 1.2, 1.4)  # shares of the safe range
NEAR_BEST = 0.6
"""Of the best probability: where the target is out of reach, the gentlest move that comes so near is taken."""
HOPELESS = 0.25
"""Below, no step is better than another, and the strongest is taken."""
MOST_MOVED, LEAST_MOVED_SIGMA = 8, 0.25  # a report names so many attributes, moved at least so far


class Guidance:
    """Finds edits by the classifier's gradient; member `guidance` of the editor."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer
        self.hair = Hair(renderer)

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
        """Go to the wanted labels step by step; stops at the target probability, or on a plateau.

        Along the latent flow where it leads to all that are missing, else by gradient steps on z from the directions' head starts.
        What counts is what the classifier sees in the crop as the user gets it; along the flow, of a mouth, what it sees in the decoder's
        picture. The steps' faces carry the guidance, and the strengths that were set before, in `offset`. `locks` hold except for
        wanted labels.
        Hair colours and make-up are put on (see `facevae.editor.hair`) and not searched for. The same call gives the same steps.
        """
        if not wanted:
            raise ValueError("nothing was asked for: name at least one attribute")
        self.renderer.check_attributes(wanted)
        config = GuidanceConfig(steps=steps, target=target)
        asked = wanted
        face, wanted, made_up = self.put_on(face, wanted, strengths, locks)
        if not wanted:
            yield self._step_of(face, asked, detail)
            return
        seen = self.renderer.probabilities(face, detail=detail)
        unsure = {name: want for name, want in wanted.items() if (seen[name] if want else 1 - seen[name]) < target}
        carried = {name: want for name, want in unsure.items() if name in FLOW_LABELS}
        faces = self._flow_faces(face, carried, [name for name in locks if name not in asked])
        if faces and carried == unsure:
            yield from self._along(faces, asked, target, detail)
            return
        if faces:  # what else is wanted is searched for from there
            *_, last = self._along(faces, carried, target, detail)
            face = last.face
        rest = {name: want for name, want in wanted.items() if not faces or name not in carried}
        yield from self._search(face, wanted, rest, asked, config, detail, self._held(wanted, made_up, locks))

    def put_on(
        self, face: Face, wanted: Mapping[str, bool], strengths: Mapping[str, float], locks: Collection[str]
    ) -> tuple[Face, Mapping[str, bool], bool]:
        """The face with the strengths and what of the wanted needs no search: a hair colour, make-up. What is left to search for, and
        whether make-up was put on."""
        shade = shade_of(wanted)
        if shade is not None:
            face, strengths = self.hair.dye(face, shade, None, strengths, locks), {}
            wanted = {name: want for name, want in wanted.items() if name not in HAIR_COLOURS}
        worn = [name for name in self.renderer.makeup.names if wanted.get(name)]
        if worn:
            face, strengths = self._made_up(face, worn, strengths, locks), {}
            wanted = {name: want for name, want in wanted.items() if name not in worn}
        return self.renderer.bake(face, strengths, locks), wanted, bool(worn)

    def _flow_faces(self, face: Face, wanted: Mapping[str, bool], locks: Collection[str]) -> list[Face]:
        """The face along the latent flow to the wanted labels, gentle ones first; none where the flow does not lead there."""
        start = torch.from_numpy(face.offset)
        path = self.renderer.flow_path(torch.from_numpy(face.latent) + start, wanted)
        held = self.renderer.locked_steps(locks)
        moves = [] if path is None else [start + hold(move, held, self.renderer.checkpoint.cholesky) for move in path]
        return [moved_further(face, move.numpy(), wanted) for move in moves]

    def _held(self, wanted: Mapping[str, bool], made_up: bool, locks: Collection[str]) -> Float[Tensor, "k d"]:
        """The steps that a search may not take: those of locks, of the colour of hair, of make-up that was put on, and of the tone of skin,
        but for what is wanted."""
        locked = self.renderer.locked_steps([name for name in locks if name not in wanted])
        worn = self.renderer.makeup.held if made_up else self.renderer.makeup.held[:0]
        skin = self.renderer.checkpoint.skin if not wanted.keys() & set(SKIN_TONE) else self.renderer.checkpoint.skin[:0]
        return torch.cat([locked, worn, self.renderer.hair.steps, skin])

    def _search(
        self,
        face: Face,
        wanted: Mapping[str, bool],
        rest: Mapping[str, bool],
        asked: Mapping[str, bool],
        config: GuidanceConfig,
        detail: float,
        locked: Float[Tensor, "k d"],
    ) -> Iterator[GuideStep]:
        """Gradient steps to the wanted labels, from head starts of the `rest`, to which nothing has led yet; reports what was `asked`."""
        checkpoint, attributes = self.renderer.checkpoint, self.renderer.attributes
        seen = self.renderer.probabilities(face, detail=detail)
        lacking = {name: want for name, want in rest.items() if (seen[name] > 0.5) != want}
        with torch.inference_mode(False):  # what comes of it takes part in gradients
            project = holding(locked.clone(), checkpoint.cholesky).mv if len(locked) else None
        values, mask = (torch.tensor([f(a) for a in attributes]) for f in (lambda a: wanted.get(a, False), lambda a: a in wanted))
        pictures = torch.zeros(config.views, 3, self.renderer.size, self.renderer.size)
        walk = guide_latent(
            self._differentiable_render(face, detail, config.views, list(rest)),
            self.renderer.packed_copy(checkpoint.classifier, lambda net: net.embed(pictures)).embed,
            checkpoint.classifier.head,
            torch.from_numpy(face.offset),
            self._head_starts(lacking),
            checkpoint.cholesky,
            Wish.of(values, mask, checkpoint.labels.correlation, checkpoint.labels.guide_spread),
            torch.Generator().manual_seed(0),
            project,
            config,
        )
        while True:
            with self.renderer.lock:
                step = next(walk, None)
            if step is None:
                return
            seen = dict(zip(attributes, step.logits.sigmoid().tolist(), strict=True))
            moved, found = moved_further(face, step.move.numpy(), list(rest)), {name: seen[name] for name in asked}
            yield GuideStep(moved, step.index, config.steps, step.probability, found, step.loss, step.done, step.reason)

    def _made_up(self, face: Face, names: Sequence[str], strengths: Mapping[str, float], locks: Collection[str]) -> Face:
        """The face with make-up in full, along these directions, as far as locks on others leave it."""
        face = self.renderer.bake(face, strengths, locks)
        worn = self.renderer.makeup.strengths(torch.from_numpy(face.offset))
        return self.renderer.bake(face, {name: FULL - worn[name] for name in names}, locks)

    def _step_of(self, face: Face, wanted: Mapping[str, bool], detail: float) -> GuideStep:
        """The one step to a hair colour or to make-up, which is no search."""
        seen = self.renderer.probabilities(face, detail=detail)
        sure = min(seen[name] if want else 1 - seen[name] for name, want in wanted.items())
        return GuideStep(face, 0, 0, sure, {name: seen[name] for name in wanted}, 0.0, True, PUT_ON)

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
        edits = (before, strengths, locks), (after, {}, ())
        crops = np.stack([self.renderer.edit(face, strengths, detail=detail, locks=locks).crop for face, strengths, locks in edits])
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

    def _differentiable_render(self, face: Face, detail: float, views: int, names: Sequence[str]) -> Callable[[Tensor], Tensor]:
        """moves (b, d) -> pictures (b, 3, s, s) as the user gets them, with the gradient of crop + mask · (G(z') - G(z)).

        `names` are the attributes that what is new in them is about.

        Colour that the blending would not lay on the background does not count, though blending itself has no gradient.
        It is quickest for as many moves as `views`.
        """
        latent = torch.from_numpy(face.latent)
        decoder = self.renderer.packed_copy(self.renderer.checkpoint.net.decoder, lambda net: net(latent.expand(views, -1)))
        drawn_part, applied = self.renderer.drawn_matrix.T, applied_to(face)
        before, crop, place = self.renderer.start_picture(face), images.to_float(face.crop), whole(self.renderer.size)

        def paste(move: Tensor, drawn: Tensor) -> np.ndarray:
            parts = offset_parts(moved_further(face, move.numpy(), names))
            layers = self.renderer.decode_layers(face, parts, detail, drawn)
            return face.crop if layers is None else self.renderer.paste(face.crop, layers, place, detail)

        def render(moves: Tensor) -> Tensor:
            after = near = decoder(latent + applied + (moves - applied) @ drawn_part).clamp(0, 1)
            pictures = images.to_uint8(after.detach())
            if face.photo is not None:
                near = crop + self.renderer.mask * (after - before)
                pictures = np.stack([paste(*drawn) for drawn in zip(moves.detach(), after.detach().split(1), strict=True)])
            return near + (images.to_float(pictures) - near).detach()

        return render

    def _head_starts(self, lacking: Mapping[str, bool]) -> Tensor:
        """Head starts (k, d), gentle ones first: along the directions of the wanted labels that are not seen yet."""
        known = self.renderer.checkpoint.directions
        straight = {name: want for name, want in lacking.items() if name in known}
        whole_step = displacement(known, {name: known[name].high if want else known[name].low for name, want in straight.items()})
        return torch.tensor(HEAD_STARTS if straight else (0.0,))[:, None] * whole_step

    def _drawn_probabilities(self, face: Face, names: Collection[str]) -> dict[str, float]:
        """What the classifier sees in what the decoder makes of the face with its guidance."""
        with self.renderer.lock, torch.inference_mode():
            seen = labels_in(self.renderer, torch.from_numpy(face.latent + face.offset)[None])[0].tolist()
        return {name: seen[self.renderer.attributes.index(name)] for name in names}

    def _along(self, faces: Sequence[Face], asked: Mapping[str, bool], target: float, detail: float) -> Iterator[GuideStep]:
        """Step by step along moves, gentle ones first, to the first that reaches the target.

        Of a mouth counts what the classifier sees in the decoder's picture: in the photo the cheeks keep the folds of a smile that is gone.
        Where none does, the last step is the gentlest that comes near the best.
        """
        found: list[GuideStep] = []
        for number, moved in enumerate(faces, 1):
            there = self.renderer.probabilities(moved, detail=detail)
            if mouth := asked.keys() & set(MOUTH):
                there |= self._drawn_probabilities(moved, mouth)
            sure = min(there[name] if want else 1 - there[name] for name, want in asked.items())
            found.append(GuideStep(moved, number, len(faces), sure, {name: there[name] for name in asked}, 1 - sure, False, ""))
            if sure >= target:
                break
            if number < len(faces):
                yield found[-1]
        most = max(step.probability for step in found)
        enough = target if most >= target else NEAR_BEST * most if most > HOPELESS else 1.0
        last = next((step for step in found if step.probability >= enough), found[-1])
        reason = "target" if last.probability >= target else "plateau" if last.step < len(faces) else "steps"
        yield replace(last, done=True, reason=reason)

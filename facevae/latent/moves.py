"""Moves by the latent flow: how a face's latent changes when its labels do."""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from weakref import WeakSet

import torch
from jaxtyping import Float
from torch import Tensor

from facevae.latent.conditional_flow import ConditionalFlow
from facevae.latent.directions import Direction

DEPTH = 0.1
"""The time, on the way back to noise, from which a face is carried to other labels: its noise keeps it the same person."""
STEPS = 12
"""Of Heun's method, each way."""
GUIDANCE = (0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5)
"""How much more the wanted labels count than the face's own: 1 moves as far as faces of the data differ, photos need more."""
KNOTS = (0.0, 1.0, 2.0, 3.0, 4.5)
END = 3.0
"""The guidance at the end of a slider's range."""
MOUTH, MOUTH_END = ("Smiling", "Mouth_Slightly_Open"), 2.0
"""Labels of the mouth are followed no further: beyond, patches of light come with them."""
MOUTH_FARTHEST = 5.0
"""Standard deviations of the encodings by which a search moves a face for its mouth: beyond, the rest of the face goes, too."""
MOST_ORIGINS = 32
FLOW_LABELS = frozenset(("Eyeglasses", "Mustache", "No_Beard", "Goatee", "Bangs", "Wearing_Hat", "Young", "Smiling", "Mouth_Slightly_Open"))
"""Labels that a face is carried to by the flow; a straight line leads to the others."""
GO_ALONG: dict[str, tuple[str, ...]] = {
    "No_Beard": ("5_o_Clock_Shadow", "Goatee", "Mustache", "Sideburns"),
    "Mustache": ("5_o_Clock_Shadow", "Goatee", "Sideburns", "No_Beard"),
    "Goatee": ("5_o_Clock_Shadow", "Mustache", "Sideburns", "No_Beard"),
    "Smiling": ("High_Cheekbones", "Mouth_Slightly_Open"),
    "Mouth_Slightly_Open": ("High_Cheekbones", "Smiling"),
    "Young": ("Bags_Under_Eyes", "Double_Chin", "Receding_Hairline", "Attractive"),
    "Bangs": ("Receding_Hairline", "Bald"),
    "Eyeglasses": ("Bags_Under_Eyes", "Attractive"),
    "Wearing_Hat": ("Bangs", "Receding_Hairline", "Bald"),
}
"""Labels that say of the same part what the wanted one says, or follow from it: they are left open as far as it changes.

Drawn faces have theirs moved along instead, see `facevae.latent.conditional_flow.followed`. In photos that put beards on women and white
patches beside old faces; left open, the wanted age shows in 2 of 16 drawn faces, and not in 9.
"""


_ALIVE: WeakSet["FlowMoves"] = WeakSet()


def forget() -> None:
    """Let go of what is remembered of faces."""
    for moves in list(_ALIVE):
        moves._origins = OrderedDict()  # a new one: another thread may be writing to the old one


class FlowMoves:
    """Moves of latents under a flow that knows `attributes`; `look` gives the probabilities of all of them in the pictures of latents."""

    def __init__(
        self, flow: ConditionalFlow, attributes: Sequence[str], look: Callable[[Float[Tensor, "1 d"]], Float[Tensor, "1 a"]]
    ) -> None:
        self.flow, self.attributes, self.look = flow, list(attributes), look
        self._origins: OrderedDict[bytes, Origin] = OrderedDict()
        _ALIVE.add(self)

    @torch.no_grad()
    def path(self, z: Float[Tensor, " d"], wanted: Mapping[str, bool], guidance: Sequence[float] = ()) -> Float[Tensor, "k d"]:
        """What must be added to z for the wanted labels, for each strength of guidance; for those of `ladder` where none is given.

        The way to noise and back under its own labels leads nowhere, but for the error of the solver, which is taken off.
        """
        origin, strengths = self.origin(z), guidance or ladder(wanted)
        return self._walk(origin, self._target(origin, wanted).expand(len(strengths), -1), strengths)

    @torch.no_grad()
    def moves_to(self, z: Float[Tensor, " d"], wishes: Sequence[Mapping[str, bool]], guidance: float) -> Float[Tensor, "k d"]:
        """What must be added to z for each of several wishes, all at one strength of guidance, in one batch."""
        origin = self.origin(z)
        return self._walk(origin, torch.cat([self._target(origin, wanted) for wanted in wishes]), [guidance] * len(wishes))

    def _target(self, origin: "Origin", wanted: Mapping[str, bool]) -> Float[Tensor, "1 a"]:
        """The labels of a face that is as wanted; what goes along with them is left open."""
        target, column = origin.labels.clone(), self.attributes.index
        for name, want in wanted.items():
            change = abs((1.0 if want else -1.0) - origin.labels[0, column(name)]) / 2
            target[0, [column(other) for other in GO_ALONG.get(name, ()) if other in self.attributes]] *= 1 - change
        for name, want in wanted.items():
            target[0, column(name)] = 1.0 if want else -1.0
        return target

    def _walk(self, origin: "Origin", targets: Float[Tensor, "k a"], guidance: Sequence[float]) -> Float[Tensor, "k d"]:
        """From the origin's noise to each of the targets; the first row of the batch goes back to the face itself."""
        strengths, labels = torch.tensor([0.0, *guidance]), torch.cat([targets[:1], targets])
        noise, away_from = (row.expand(len(strengths), -1) for row in (origin.noise, origin.labels))
        ends = self.flow.colour(self.flow.flow(noise, DEPTH, 1.0, labels, away_from, strengths, STEPS))
        return ends[1:] - ends[0]

    def search_path(self, z: Float[Tensor, " d"], wanted: Mapping[str, bool]) -> Float[Tensor, "k d"]:
        """`path` for a search; a mouth goes no further than `MOUTH_FARTHEST`, but at least the first step."""
        found = self.path(z, wanted)
        if not wanted.keys() <= set(MOUTH):
            return found
        far = (self.flow.whiten(z + found) - self.flow.whiten(z[None])).norm(dim=1) > MOUTH_FARTHEST
        return found[: max(1, len(found) - int(far.sum()))]

    def slide(self, z: Float[Tensor, " d"], guidance: Mapping[str, float]) -> Float[Tensor, " d"]:
        """What sliders add to z together: each counts by its guidance, positive where it adds its label and negative where it takes it.

        All go along one path, under all their labels, as far as the least counts; the others go on as far along theirs as the next one
        counts, and so on (the integral of Choquet, Theory of capacities, 1954). So one alone goes along its own path, and what is added
        is continuous in each.
        """
        origin, total = self.origin(z), torch.zeros_like(z)
        ways = [(name, value > 0, min(abs(value), KNOTS[-1])) for name, value in guidance.items()]
        ways.sort(key=lambda way: -way[2])
        for count, (_, _, far) in enumerate(ways, 1):
            near = ways[count][2] if count < len(ways) else 0.0
            if far > near:
                points = self._points(z, origin, {name: want for name, want, _ in ways[:count]})
                total = total + (through(KNOTS, far) - through(KNOTS, near)) @ points
        return total

    def already(self, z: Float[Tensor, " d"], name: str, want: bool) -> float:
        """How much a face is as wanted before anything moves, 0 ... 1."""
        label = float(self.origin(z).labels[0, self.attributes.index(name)])
        return (1 + label) / 2 if want else (1 - label) / 2

    def _points(self, z: Float[Tensor, " d"], origin: "Origin", wanted: Mapping[str, bool]) -> Float[Tensor, "k d"]:
        """The path at `KNOTS`, but for the first; made when its sliders are first touched together."""
        key = frozenset(wanted.items())
        if key not in origin.points:
            origin.points[key] = self.path(z, dict(sorted(wanted.items())), KNOTS[1:])
        return origin.points[key]

    @torch.no_grad()
    def origin(self, z: Float[Tensor, " d"]) -> "Origin":
        """Where the moves of z begin; remembered of so many faces as people may be dragging sliders over at the same time."""
        key = z.numpy().tobytes()
        found = self._origins.pop(key, None)
        if found is None:
            labels = 2 * self.look(z[None]) - 1
            found = Origin(labels, self.flow.flow(self.flow.whiten(z[None]), 1.0, DEPTH, labels, steps=STEPS))
        self._origins[key] = found
        while len(self._origins) > MOST_ORIGINS:
            self._origins.popitem(last=False)
        return found


@dataclass(frozen=True)
class Origin:
    """A face's own labels from -1 to 1, its point at `DEPTH`, and the points of the sliders that were touched, by set."""

    labels: Float[Tensor, "1 a"]
    noise: Float[Tensor, "1 d"]
    points: dict[frozenset[tuple[str, bool]], Float[Tensor, "k d"]] = field(default_factory=dict)


def ladder(wanted: Mapping[str, bool]) -> tuple[float, ...]:
    """The strengths of guidance that a search for these labels tries, gentle ones first. A smile that is added shall be seen."""
    if not wanted.keys() & set(MOUTH):
        return GUIDANCE
    least = 1.0 if any(wanted.get(name) for name in MOUTH) else 0.0
    return tuple(strength for strength in GUIDANCE if least <= strength <= MOUTH_END)


def guidance_of(direction: Direction, strength: float) -> float:
    """How much a slider's label counts at a strength, below 0 where it is taken: `END`, or `MOUTH_END`, at either end of its range."""
    return (MOUTH_END if direction.name in MOUTH else END) * strength / abs(direction.high if strength > 0 else direction.low)


def through(knots: Sequence[float], at: float) -> Float[Tensor, " k"]:
    """How much the values at the knots count in the polynomial through them (Lagrange); that at the first knot, 0, is left out."""
    shares = [math.prod((at - other) / (knot - other) for other in knots if other != knot) for knot in knots[1:]]
    return torch.tensor(shares, dtype=torch.float32)

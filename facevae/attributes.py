"""Attributes: labels, groups, sliders, goals of "Make it …". Without torch.

Names are CelebA's labels. They are what annotators ticked, not facts about people.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Attribute:
    """How one label is shown: where `reversed`, the slider's right end takes the attribute away.

    `word` names the attribute where no slider is beside it: in a lock, a wish or a report; "" where `label` does.
    """

    name: str
    label: str
    group: str
    reversed: bool = False
    word: str = ""


SHOWN: tuple[Attribute, ...] = (
    Attribute("Smiling", "Smile", "Expression"),
    Attribute("Mouth_Slightly_Open", "Mouth open", "Expression"),
    Attribute("Narrow_Eyes", "Wide ↔ narrow eyes", "Expression", word="Narrow eyes"),
    Attribute("Black_Hair", "Black", "Hair", word="Black hair"),
    Attribute("Brown_Hair", "Brown", "Hair", word="Brown hair"),
    Attribute("Blond_Hair", "Blond", "Hair", word="Blond hair"),
    Attribute("Gray_Hair", "Gray", "Hair", word="Gray hair"),
    Attribute("Bangs", "Bangs", "Hair"),
    Attribute("Wavy_Hair", "Wavy", "Hair", word="Wavy hair"),
    Attribute("Male", "Masculine ↔ feminine", "Face", reversed=True, word="Masculine"),
    Attribute("Young", "Young ↔ older", "Face", reversed=True, word="Young"),
    Attribute("Chubby", "Slim ↔ full face", "Face", word="Full face"),
    Attribute("Pale_Skin", "Pale skin", "Face"),
    Attribute("Bushy_Eyebrows", "Bushy eyebrows", "Face"),
    Attribute("Bags_Under_Eyes", "Bags under eyes", "Face"),
    Attribute("Heavy_Makeup", "Makeup", "Style"),
    Attribute("Wearing_Lipstick", "Lipstick", "Style"),
    Attribute("No_Beard", "Beard", "Style", reversed=True),
    Attribute("Mustache", "Mustache", "Style"),
    Attribute("Goatee", "Goatee", "Style"),
    Attribute("Eyeglasses", "Glasses", "Accessories"),
    Attribute("Wearing_Hat", "Hat", "Accessories"),
)

SKIN_TONE = ("Pale_Skin", "Rosy_Cheeks")
"""Labels that ask for another skin tone; all others leave it as it is."""

# Attributes that stay out of the sliders, and why; the card and the About tab print this.
WITHHELD: dict[str, str] = {
    "Attractive": "a judgement of the annotators, not a property of a face",
    "Big_Lips": "labels disagree between annotators, and the label follows ethnicity",
    "Big_Nose": "labels disagree between annotators, and the label follows ethnicity",
    "High_Cheekbones": "labels are close to random in re-annotation studies",
    "Oval_Face": "labels are close to random in re-annotation studies",
    "Pointy_Nose": "labels are close to random in re-annotation studies",
    "Arched_Eyebrows": "labels disagree between annotators",
    "Straight_Hair": "labels disagree between annotators",
    "Blurry": "a property of the photo, not of the face",
    "Wearing_Earrings": "too small for a 128 px model",
    "Wearing_Necklace": "outside the training crop",
    "Wearing_Necktie": "outside the training crop",
    "5_o_Clock_Shadow": "too fine for a 128 px model; see Beard",
    "Sideburns": "too fine for a 128 px model; see Beard",
    "Double_Chin": "says the same as Slim ↔ full face, with fewer examples",
    "Receding_Hairline": "says the same as Bald, with noisier labels",
    "Bald": "no direction takes hair away in a photo: at the end of every range it turns white, and the judge is not convinced",
    "Rosy_Cheeks": "few faces carry it; its direction is lipstick, and taken away it turns faces green",
}

PUT_ON = "put on"
"""Why "Make it …" ended where it did not search: hair colours and make-up are put on at once."""
HAIR_COLOURS = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")


def in_words(name: str) -> tuple[str, bool]:
    """What a person calls a label of the data set, and whether that means the label itself: No_Beard is ("Beard", False)."""
    for shown in SHOWN:
        if shown.name == name:
            return shown.word or shown.label, not shown.reversed or bool(shown.word)
    return name.replace("_", " ").capitalize(), True


def wanted_labels(pairs: Iterable[tuple[str, bool]]) -> dict[str, bool]:
    """Label -> whether the classifier shall see it, from such pairs; one way for the page, the command line and the HTTP API.

    `ValueError` in one sentence, with the reason, for a withheld label, and for one that is both wanted and unwanted.
    """
    wanted: dict[str, bool] = {}
    for name, shall_be_seen in pairs:
        if name in WITHHELD:
            raise ValueError(f"{name} cannot be asked for: {WITHHELD[name]}")
        if wanted.setdefault(name, shall_be_seen) != shall_be_seen:
            raise ValueError(f"{in_words(name)[0]} is asked for and against: take it out of one of the two lists")
    return wanted


def wanted_of(with_it: Sequence[str] | None, without: Sequence[str] | None) -> dict[str, bool]:
    """The labels that the page's lists of what a face shall be with and without stand for, in the sense of `in_words`."""
    return wanted_labels([(n, in_words(n)[1]) for n in with_it or ()] + [(n, not in_words(n)[1]) for n in without or ()])


@dataclass(frozen=True)
class Goal:
    """One "Make it …" button: the labels that the classifier shall see."""

    name: str
    label: str
    wanted: dict[str, bool]


def _hair(*colours: str) -> dict[str, bool]:
    return {name: name in colours for name in HAIR_COLOURS}


GOALS: tuple[Goal, ...] = (
    Goal("smiling", "Smiling", {"Smiling": True}),
    Goal("serious", "Serious", {"Smiling": False, "Mouth_Slightly_Open": False}),
    Goal("blond", "Blond hair", _hair("Blond_Hair")),
    Goal("brown_hair", "Brown hair", _hair("Brown_Hair")),
    Goal("dark_brown_hair", "Dark brown hair", _hair("Black_Hair", "Brown_Hair")),
    Goal("black_hair", "Black hair", _hair("Black_Hair")),
    Goal("red_hair", "Red hair", _hair()),
    Goal("gray_hair", "Gray hair", _hair("Gray_Hair")),
    Goal("bangs", "Bangs", {"Bangs": True}),
    Goal("younger", "Younger", {"Young": True}),
    Goal("older", "Older", {"Young": False}),
    Goal("mustache", "Mustache", {"Mustache": True, "No_Beard": False}),
    Goal("glasses", "Glasses", {"Eyeglasses": True}),
    Goal("no_glasses", "No glasses", {"Eyeglasses": False}),
    Goal("makeup", "Makeup", {"Heavy_Makeup": True}),
)


BEYOND = 1.5  # a slider ends at so many times its safe range
SLIDER_STEP = 0.1


class Ranged(Protocol):
    """What a slider wants to know of a direction: `facevae.latent.directions.Direction` is one."""

    @property
    def name(self) -> str: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


@dataclass(frozen=True)
class Control:
    """A slider: strengths are in σ of the attribute's direction; within `safe_low` … `safe_high` it was measured to work."""

    name: str
    label: str
    group: str
    low: float
    high: float
    reversed: bool
    step: float = SLIDER_STEP
    safe_low: float = 0.0
    safe_high: float = 0.0

    def strength(self, value: float) -> float:
        """The strength of the attribute where the slider stands at `value`."""
        return -value if self.reversed else value

    @property
    def strengths(self) -> tuple[float, float]:
        """The ends of the slider as strengths of the attribute itself, the lower one first."""
        low, high = sorted((self.strength(self.low), self.strength(self.high)))
        return low, high

    @property
    def safe_strengths(self) -> tuple[float, float]:
        """The ends of the safe range as strengths of the attribute itself."""
        low, high = sorted((self.strength(self.safe_low), self.strength(self.safe_high)))
        return low, high


def list_controls(directions: Mapping[str, Ranged]) -> list[Control]:
    """The sliders for these directions, in the order shown; a reversed one takes its attribute away to the right."""
    return [control_of(directions[shown.name], shown.label, shown.group, shown.reversed) for shown in SHOWN if shown.name in directions]


def control_of(direction: Ranged, label: str, group: str, reversed: bool = False) -> Control:
    """The slider of a direction: it goes on beyond the safe range, by half of it."""
    safe = (-direction.high, -direction.low) if reversed else (direction.low, direction.high)
    low, high = (round(BEYOND * end, 1) for end in safe)
    return Control(direction.name, label, group, low, high, reversed, safe_low=safe[0], safe_high=safe[1])

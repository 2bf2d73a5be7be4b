"""The sliders: where a face stands, how it is asked to change, and what is held as it is meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from facevae.attributes import HAIR_COLOURS, in_words
from facevae.editor import Control, Editor, Face, control_of
from facevae.ui.components import heading, segmented
from facevae.ui.edit import lock_report
from facevae.ui.edit.slider_marks import Mark, percent, style_sheet
from facevae.ui.session import Session

ROOM = 2.5
"""Faces score about so much to either side of the mean, so each axis is so much longer than the range of its strengths."""
AS_IT_IS = "as it is"
HAIR = "Hair colour"
OWN_SLOTS = 4
LISTEN = """document.addEventListener("facevae-lock", (event) => trigger("select", { place: event.detail }));"""
LOOK: dict[str, Any] = {"min_width": 150, "elem_classes": ["bare", "bipolar", "sigma"]}
NOTE = (
    "A slider starts where the photo stands, which the tick keeps, in σ from the average face. "
    "Where the track is dotted, nobody measured what it does. The percentage is what the classifier sees."
)
SKIN_NOTE = " The tone of the skin is held, but for its own slider and yours."


@dataclass(frozen=True)
class Asked:
    """What the widgets ask for, as the editor takes it. Every handler gets it from `SlidersPart.asked`."""

    editor: Editor
    """Knows the visitor's own directions."""
    strengths: dict[str, float]
    locks: tuple[str, ...]
    changes: dict[str, float]
    """In words: the label of each slider that was moved, and by how much."""
    values: dict[str, float]
    """Where each slider stands, by attribute."""
    colour: str | None = None
    """The hair colour that was chosen."""

    @property
    def words(self) -> str:
        """ "Smile +2, Black hair +6", for those who do not see it."""
        return ", ".join(f"{label} {change:+g}" for label, change in self.changes.items())


class SlidersPart:
    """Locks, sliders, and the choice of a hair colour; `inputs` are the widgets whose values `asked` reads, in its order."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        groups = list(dict.fromkeys(control.group for control in editor.controls))
        self.colours = {control.name: control for control in editor.controls if control.name in HAIR_COLOURS}
        plain = [control for control in editor.controls if control.name not in self.colours]
        self.controls: list[Control] = sorted(plain, key=lambda control: groups.index(control.group))
        self.attributes = set(editor.attributes)
        self._lay_out_locks()
        gr.HTML(
            f'<p class="note">{NOTE}{SKIN_NOTE}</p>',
            apply_default_css=False,
            elem_classes="plain",
            elem_id="sliders-note",
        )
        self.sliders: list[gr.Slider] = []
        for group in groups:
            heading(group)
            if group == "Hair" and self.colours:
                self._lay_out_colours()
            with gr.Row(elem_classes="slider-grid"):
                self.sliders += [attribute_slider(control, slider_id(control)) for control in self.controls if control.group == group]
        self._lay_out_own()
        # Which placing of the sliders the page shows: values that were on their way when the sliders were put anew mean nothing any more.
        self.token = gr.Number(0, visible="hidden", elem_id="placed")
        self.marks = gr.HTML("", elem_id="marks", apply_default_css=False, elem_classes="plain")

    # ---- what is on the page

    def _lay_out_locks(self) -> None:
        heading("Hold as it is")
        self.held = gr.Dropdown(
            self.lock_choices(Session()),
            value=[],
            multiselect=True,
            label="Hold as it is",
            show_label=False,
            elem_id="locks",
            container=False,
            min_width=120,
        )
        # A lock beside a slider tells its id here, see page.js; the event carries it as `place`.
        self.toggle = gr.HTML("", elem_id="lock-toggle", apply_default_css=False, elem_classes="plain", js_on_load=LISTEN)
        self.left = lock_report.left_line("locks-left")
        self.search = gr.Textbox(
            placeholder="Find a slider", show_label=False, label="Find a slider", container=False, elem_id="slider-search", min_width=120
        )

    def _lay_out_colours(self) -> None:
        choices = [("As it is", AS_IT_IS), *((control.label, name) for name, control in self.colours.items())]
        self.colour = segmented(choices, HAIR, "hair-colour", show_label=True)
        with gr.Row(elem_classes="slider-grid"):
            self.amount = gr.Slider(0, 1, 0, step=0.1, label="How much", visible=False, elem_id="hair-amount", **LOOK)

    def _lay_out_own(self) -> None:
        self.own_heading = heading("Your own", visible=False)
        self.own_sliders, self.own_places, self.own_removes = [], [], []
        with gr.Row(elem_classes="slider-grid"):
            for slot in range(OWN_SLOTS):
                with gr.Column(visible=False, min_width=150, elem_classes="own-slider") as place:
                    self.own_sliders.append(attribute_slider(Control(f"own {slot}", "Own", "", -6, 6, False), f"slider-own-{slot + 1}"))
                    self.own_removes.append(gr.Button("Remove", size="sm", min_width=60, elem_id=f"own-remove-{slot + 1}"))
                self.own_places.append(place)

    # ---- from the page to an edit

    @property
    def inputs(self) -> list[Any]:
        """The widgets whose values `asked` takes."""
        return [self.held, *([self.colour, self.amount] if self.colours else []), *self.sliders, *self.own_sliders, self.token]

    @staticmethod
    def own_values(values: Sequence[Any]) -> Sequence[Any]:
        """Those of the pool of the visitor's own sliders, of the values of `inputs`."""
        return values[-OWN_SLOTS - 1 : -1]

    def view(self, session: Session) -> Editor:
        """The editor with the visitor's own directions."""
        return self.editor.knowing(session.own) if session.own else self.editor

    def own_controls(self, session: Session) -> list[Control]:
        """Those of the visitor's own directions."""
        return [control_of(direction, direction.name, "Your own") for direction in session.own]

    def asked(self, session: Session, values: Sequence[Any]) -> Asked:
        """The one way from the values of `inputs` to strengths and locks. Never raises: previews come this way, too."""
        held, *rest = values
        colour, amount, *rest = rest if self.colours else (AS_IT_IS, 0, *rest)
        editor = self.view(session)
        controls = [*self.controls, *self.own_controls(session)]
        strengths, changes, at = {}, {}, {}
        if colour in self.colours and amount:
            strengths[colour] = amount
            changes[in_words(colour)[0]] = amount
        for control, value in zip(controls, rest[: len(controls)], strict=True):
            start = session.starts.get(control.name, 0.0)
            at[control.name] = start if value is None else value  # an emptied number field asks for nothing
            if change := round(at[control.name] - start, 6):
                strengths[control.name] = control.strength(change)
                changes[control.label] = change
        return Asked(editor, strengths, self.locked(held or [], editor), changes, at, colour if colour in self.colours else None)

    def current(self, session: Session, values: Sequence[Any]) -> bool:
        """Whether these values are of the sliders as they were put last."""
        return values[-1] == session.placed

    def nothing(self, session: Session) -> Asked:
        """No slider moved, nothing held."""
        return Asked(self.view(session), {}, (), {}, dict(session.starts))

    def locked(self, held: Sequence[str], editor: Editor) -> tuple[str, ...]:
        """What was chosen to be held, as the editor calls it; a direction that was removed meanwhile is passed over."""
        names = [name for chosen in held for name in (self.colours if chosen == HAIR else [chosen])]
        return tuple(name for name in names if name in editor.directions)

    # ---- from a face to the page

    def scores(self, session: Session, face: Face) -> dict[str, float]:
        """Where a face stands on the axis of each slider."""
        found = self.view(session).scores(face)
        return {c.name: clipped(-found[c.name] if c.reversed else found[c.name], c) for c in self.all_controls(session)}

    def all_controls(self, session: Session) -> list[Control]:
        """In the order of `sliders` and `own_sliders`."""
        return [*self.controls, *self.own_controls(session)]

    def place(self, session: Session, face: Face) -> dict[Any, Any]:
        """All sliders to where the face stands: there they ask for nothing."""
        session.starts = {name: round(score, 1) for name, score in self.scores(session, face).items()}
        session.placed += 1
        colour = {self.colour: AS_IT_IS, self.amount: self.no_colour} if self.colours else {}
        return {**colour, **self.values(session, session.starts), self.token: session.placed}

    def put(self, session: Session, strengths: Mapping[str, float], locks: Sequence[str]) -> tuple[list[Any], dict[Any, Any]]:
        """All widgets to what they would be had somebody asked for this: their values, in the order of `inputs`, and the update.

        What has no slider here (any more) is passed over.
        """
        colour = next((name for name in self.colours if strengths.get(name)), AS_IT_IS)
        top = self.most(self.colours[colour]) if colour in self.colours else 0.0
        amount = min(max(strengths.get(colour, 0.0), 0.0), top)  # outside its range Gradio would refuse every handler that reads it
        held = [name for name in locks if name not in self.colours and name in self.view(session).directions]
        held += [HAIR] if self.colours and set(self.colours) <= set(locks) else []
        controls, values = self.all_controls(session), [held]
        updates: dict[Any, Any] = {self.held: gr.update(choices=self.lock_choices(session), value=held)}
        if self.colours:
            values += [colour, amount]
            updates |= {self.colour: colour, **(self.choose_colour(colour) if colour in self.colours else {self.amount: self.no_colour})}
            updates[self.amount] |= {"value": amount}
        for slider, control in zip([*self.sliders, *self.own_sliders], controls, strict=False):
            start = session.starts.get(control.name, 0.0)
            values.append(round(clipped(start + control.strength(strengths.get(control.name, 0.0)), control), 6))
            updates[slider] = gr.update(value=values[-1])
        session.placed += 1
        values += [0.0] * (len(self.inputs) - len(values) - 1)  # the rest of the pool
        return [*values, session.placed], updates | {self.token: session.placed}

    def values(self, session: Session, at: dict[str, float]) -> dict[Any, Any]:
        """The update that puts sliders to these values."""
        sliders = [*self.sliders, *self.own_sliders]
        return {s: gr.update(value=at[c.name]) for s, c in zip(sliders, self.all_controls(session), strict=False) if c.name in at}

    @property
    def placed(self) -> list[Any]:
        """What `place` changes."""
        return self.inputs[1:]

    def settle(self, session: Session, face: Face | None, *values: Any) -> dict[Any, Any]:
        """The face was encoded anew: untouched sliders go to where it stands now, the others keep their change and their place.

        A hand may have taken one since these values left the page, which its live picture told; it would be put back from under it.
        Nothing where another action has begun since: it puts the sliders itself.
        """
        if face is None or session.anew != session.turn or not self.current(session, values):
            return {self.held: gr.skip()}
        session.anew = -1
        at = self.asked(session, values).values
        hand = self.asked(session, session.hand).values if session.hand and self.current(session, session.hand) else at
        now = {name: round(score, 1) for name, score in self.scores(session, face).items()}
        moved = {name: score for name, score in now.items() if at[name] == hand[name] == session.starts.get(name) != score}
        if not moved:
            return {self.held: gr.skip()}
        session.starts |= moved
        session.placed += 1
        return {self.held: gr.skip(), **self.values(session, moved), self.token: session.placed}

    @property
    def no_colour(self) -> dict[str, Any]:
        """The update of "How much" where no hair colour is chosen."""
        return gr.update(value=0, visible=False)

    def choose_colour(self, colour: str) -> dict[Any, Any]:
        """A colour begins as strong as it was measured to work; "As it is" takes it away."""
        if colour not in self.colours:
            return {self.amount: self.no_colour}
        control = self.colours[colour]
        return {self.amount: gr.update(value=round(control.safe_high, 1), maximum=self.most(control), visible=True)}

    @staticmethod
    def most(control: Control) -> float:
        """How strong a hair colour can be made."""
        return max(control.high, round(control.safe_high, 1))

    def draw_marks(self, session: Session, face: Face, asked: Asked, seen: dict[str, float]) -> str:
        """The ticks, the measured ranges and what the classifier sees; `seen` are its probabilities."""
        own = self.scores(session, self.editor.reset(face))
        ids = [*(f"#{slider_id(c)}" for c in self.controls), *(f"#slider-own-{slot + 1}" for slot in range(len(session.own)))]
        rules = []
        for place, control in zip(ids, self.all_controls(session), strict=True):
            safe = own[control.name] + control.safe_low, own[control.name] + control.safe_high
            found = seen.get(control.name) if control.name in self.attributes else None
            found = 1 - found if found is not None and control.reversed else found
            start, at = session.starts.get(control.name, 0.0), asked.values.get(control.name, 0.0)
            held = control.name in asked.locks
            rules.append(Mark(place, axis_of(control), own[control.name], start, safe, at, found, held).rule())
        if asked.colour:
            control = self.colours[asked.colour]
            top = self.most(control)
            at = asked.strengths.get(asked.colour, 0.0)
            rules.append(Mark("#hair-amount", (0, top), 0, 0, (0, control.safe_high), at).rule())
        for k, name in enumerate(self.colours):
            rules.append(f'#hair-colour label:nth-child({k + 2}) {{ --seen: "{percent(seen.get(name))}"; }}')
        return style_sheet(rules)

    @staticmethod
    def fitted(control: Control, value: float) -> Any:
        """The update that makes a slider of the pool that of a control."""
        low, high = axis_of(control)
        return gr.update(label=control.label, minimum=low, maximum=high, value=value)

    # ---- what is held

    def lock_choices(self, session: Session) -> list[tuple[str, str]]:
        """What can be held, in the order of the sliders, as a menu shows it."""
        names = [name for name in self.editor.directions if name not in self.colours]
        order = {control.name: place for place, control in enumerate(self.controls)}
        names.sort(key=lambda name: order.get(name, len(order)))
        hair = [(HAIR, HAIR)] if self.colours else []
        own = [(direction.name, direction.name) for direction in session.own]
        return [*((in_words(name)[0], name) for name in names), *hair, *own]

    def toggle_lock(self, session: Session, held: Sequence[str] | None, pressed: gr.EventData) -> list[str]:
        """The lock beside a slider was pressed: its attribute joins what is held, or leaves it."""
        ids = {slider_id(control): control.name for control in self.controls}
        ids |= {f"slider-own-{slot + 1}": direction.name for slot, direction in enumerate(session.own)}
        held, name = list(held or []), ids.get(str(pressed.place))
        return held if name is None else [*held, name] if name not in held else [other for other in held if other != name]

    def say_left(self, session: Session, asked: Asked, held: Sequence[str]) -> str:
        """How much of what is moved the locks leave over; see `facevae.ui.edit.lock_report`."""
        words = {value: label for label, value in self.lock_choices(session)}
        groups = {words[chosen]: self.locked([chosen], asked.editor) for chosen in held or [] if chosen in words}
        labels = {control.name: control.label for control in self.all_controls(session)}
        labels |= {name: in_words(name)[0] for name in self.colours}
        return lock_report.say_left(asked.editor, groups, list(asked.strengths), labels)


def attribute_slider(control: Control, elem_id: str) -> gr.Slider:
    """A slider on the axis of an attribute's score."""
    low, high = axis_of(control)
    return gr.Slider(low, high, 0, step=control.step, label=control.label, elem_id=elem_id, **LOOK)


def axis_of(control: Control) -> tuple[float, float]:
    """The ends of a slider, in σ: where the lowest and the highest faces end that are moved as far as they can be."""
    return round(control.low - ROOM, 1), round(control.high + ROOM, 1)


def clipped(score: float, control: Control) -> float:
    """A score within the slider's axis."""
    low, high = axis_of(control)
    return min(max(score, low), high)


def slider_id(control: Control) -> str:
    """The slider's id on the page; tests and style sheet know it."""
    return f"slider-{control.name.lower().replace('_', '-')}"

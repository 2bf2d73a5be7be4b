"""Sliders and locks of the Edit tab; the one place that makes an EditRequest of widgets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from facevae.attributes import HAIR_COLOURS, in_words
from facevae.editor import Control, Editor, Face, control_of
from facevae.editor.looks import scaled
from facevae.request import EditRequest
from facevae.ui.components import Widgets, fold, heading, html
from facevae.ui.edit import lock_report
from facevae.ui.edit.slider_marks import Mark, style_sheet
from facevae.ui.session import Session

ROOM = 2.5
"""Faces score about so much to either side of the mean, so each axis is so much longer than the range of its strengths."""
HAIR = "Hair colour"
OWN_SLOTS = 4
LISTEN = """document.addEventListener("facevae-lock", (event) => trigger("select", { place: event.detail }));"""
LOOK: dict[str, Any] = {"min_width": 150, "elem_classes": ["bare", "bipolar", "sigma"]}
NOTE = "The mark shows your photo. Drag away from it to change it. Where the track is dotted, results get unreliable."


@dataclass(frozen=True)
class RequestedEdit:
    """The edit that the widgets request. Every handler gets it from `SliderPanel.requested_edit`."""

    request: EditRequest
    editor: Editor
    """With the visitor's own directions."""
    changes: dict[str, float]
    """In words: the label of each slider that was moved, and by how much."""
    values: dict[str, float]
    """The value of each slider, by attribute."""
    chosen_locks: tuple[str, ...] = ()
    """Locks as the menu has them, hair colour being one; `request.locks` has them as the editor does."""
    amount: float | None = None
    """How much of its newest look the face wears; None leaves it."""

    def on(self, face: Face) -> Face:
        """The face with the requested amount of its newest look."""
        return scaled(face, self.amount)

    @property
    def words(self) -> str:
        """ "Smile +2, Beard +6", for screen readers."""
        return ", ".join(f"{label} {change:+g}" for label, change in self.changes.items())


class SliderPanel:
    """Locks and sliders; `detail` and `amount`, of the newest look, are sliders elsewhere on the page."""

    def __init__(self, editor: Editor, detail: gr.Slider, amount: gr.Slider) -> None:
        self.editor, self.detail, self.amount = editor, detail, amount
        groups = list(dict.fromkeys(control.group for control in editor.controls))
        self.colours = {control.name: control for control in editor.controls if control.name in HAIR_COLOURS}
        plain = [control for control in editor.controls if control.name not in self.colours]
        self.controls: list[Control] = sorted(plain, key=lambda control: groups.index(control.group))
        self.attributes = set(editor.attributes)
        html(f'<p class="note">{NOTE}</p>', "sliders-note")
        self.lock_report = lock_report.lock_line("locks-left")
        self.sliders: list[gr.Slider] = []
        for group in dict.fromkeys(control.group for control in self.controls):
            with fold(group, f"group-{group.lower()}", is_open=group == groups[0]), gr.Row(elem_classes="slider-grid"):
                self.sliders += [attribute_slider(control, slider_id(control)) for control in self.controls if control.group == group]
        self._lay_out_own()
        # See `Session.slider_version`.
        self.version = gr.Number(0, visible="hidden", elem_id="placed")
        self.marks = html("", "marks")
        # A lock beside a slider tells its id here, see page.js; the event carries it as `place`.
        self.toggle = html("", "lock-toggle", js_on_load=LISTEN)

    # ---- what is on the page

    def lay_out_more(self) -> None:
        """The menu of locks and the search, in a place of their own."""
        heading("Keep unchanged")
        self.locks = gr.Dropdown(
            self.lock_choices(Session()),
            value=[],
            multiselect=True,
            label="Keep unchanged",
            show_label=False,
            elem_id="locks",
            container=False,
            min_width=120,
        )
        self.search = gr.Textbox(
            placeholder="Find a slider", show_label=False, label="Find a slider", container=False, elem_id="slider-search", min_width=120
        )

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
        """The widgets whose values `requested_edit` reads, besides the photo detail."""
        return [self.locks, *self.placed]

    @property
    def placed(self) -> list[Any]:
        """What `set_to_face` changes."""
        return [self.amount, *self.sliders, *self.own_sliders, self.version]

    def own_controls(self, session: Session) -> list[Control]:
        """Those of the visitor's own directions."""
        return [control_of(direction, direction.name, "Your own") for direction in session.own]

    def all_controls(self, session: Session) -> list[Control]:
        """In the order of `sliders` and `own_sliders`."""
        return [*self.controls, *self.own_controls(session)]

    def by_control(self, session: Session) -> list[tuple[gr.Slider, Control]]:
        """Each slider in use with its control."""
        return list(zip([*self.sliders, *self.own_sliders], self.all_controls(session), strict=False))

    def requested_edit(self, session: Session, widgets: Widgets) -> RequestedEdit:
        """The one way from widget values to strengths and locks. Never raises: previews come this way, too."""
        editor = session.editor(self.editor)
        amount = widgets[self.amount]
        strengths, changes, values = {}, {}, {}
        for slider, control in self.by_control(session):
            start, value = session.starts.get(control.name, 0.0), widgets[slider]
            values[control.name] = start if value is None else value  # an emptied number field requests no change
            if change := round(values[control.name] - start, 6):
                strengths[control.name] = control.strength(change)
                changes[control.label] = change
        chosen = tuple(widgets[self.locks] or ())
        request = EditRequest(strengths, self.locked(chosen, editor), detail=widgets[self.detail])
        return RequestedEdit(request, editor, changes, values, chosen, None if amount is None else amount / 100)

    def current(self, session: Session, widgets: Widgets) -> bool:
        """Whether these values left the page after the server last set the sliders; see `Session.slider_version`."""
        return widgets[self.version] == session.slider_version

    def remember_drag(self, session: Session, widgets: Widgets) -> None:
        """Keep the newest values of the sliders; see `Session.drag`."""
        session.drag = {widget: widgets[widget] for widget in (self.detail, *self.inputs)}
        session.touched()

    def no_edit(self, session: Session, detail: float) -> RequestedEdit:
        """No slider moved, no lock."""
        return RequestedEdit(EditRequest(detail=detail), session.editor(self.editor), {}, dict(session.starts))

    def locked(self, chosen: Sequence[str], editor: Editor) -> tuple[str, ...]:
        """Locks of the menu as the editor calls them; a direction that was removed meanwhile is left out."""
        names = [name for lock in chosen for name in (self.colours if lock == HAIR else [lock])]
        return tuple(name for name in names if name in editor.directions)

    # ---- from a face to the page

    def scores(self, session: Session, face: Face) -> dict[str, float]:
        """The position of a face on the axis of each slider, in σ."""
        found = session.editor(self.editor).scores(face)
        return {c.name: clipped(-found[c.name] if c.reversed else found[c.name], c) for c in self.all_controls(session)}

    def starts(self, session: Session, face: Face) -> dict[str, float]:
        """The same on the sliders' grid of 0.1."""
        return {name: round(score, 1) for name, score in self.scores(session, face).items()}

    def set_to_face(self, session: Session, face: Face) -> dict[Any, Any]:
        """Set all sliders to the position of the face, where they request no change."""
        session.starts = self.starts(session, face)
        session.slider_version += 1
        return {**self.slider_updates(session, session.starts), self.version: session.slider_version}

    def set_to_edit(
        self, session: Session, strengths: Mapping[str, float], locks: Sequence[str], detail: float
    ) -> tuple[Widgets, dict[Any, Any]]:
        """Set all widgets to an edit. Gives their values as an event would bring them, and the update.

        A strength without a slider is left out; the amount stays that of the face.
        """
        chosen = [name for name in locks if name not in self.colours and name in session.editor(self.editor).directions]
        chosen += [HAIR] if self.colours and set(self.colours) <= set(locks) else []
        values: dict[Any, Any] = dict.fromkeys(self.own_sliders, 0.0) | {self.locks: chosen, self.amount: None}
        updates: dict[Any, Any] = {self.locks: gr.update(choices=self.lock_choices(session), value=chosen)}
        for slider, control in self.by_control(session):
            start = session.starts.get(control.name, 0.0)
            values[slider] = round(clipped(start + control.strength(strengths.get(control.name, 0.0)), control), 6)
            updates[slider] = gr.update(value=values[slider])
        session.slider_version += 1
        same = {self.version: session.slider_version, self.detail: detail}
        return values | same, updates | same

    def slider_updates(self, session: Session, values: Mapping[str, float]) -> dict[Any, Any]:
        """The update that sets sliders to values by attribute."""
        return {slider: gr.update(value=values[c.name]) for slider, c in self.by_control(session) if c.name in values}

    def follow_face(self, session: Session, face: Face | None, widgets: Widgets) -> dict[Any, Any]:
        """The face was encoded again: untouched sliders go to its new position, the others keep their change.

        The races are those of `Session.encoded_in`, `slider_version` and `drag`.
        """
        if face is None or session.encoded_in != session.action or not self.current(session, widgets):
            return {self.locks: gr.skip()}
        session.encoded_in = -1
        values = dragged = self.requested_edit(session, widgets).values
        if session.drag and self.current(session, session.drag):
            dragged = self.requested_edit(session, session.drag).values
        now = self.starts(session, face)
        moved = {name: score for name, score in now.items() if values[name] == dragged[name] == session.starts.get(name) != score}
        if not moved:
            return {self.locks: gr.skip()}
        session.starts |= moved
        session.slider_version += 1
        return {self.locks: gr.skip(), **self.slider_updates(session, moved), self.version: session.slider_version}

    def draw_marks(self, session: Session, face: Face, requested: RequestedEdit, seen: dict[str, float]) -> str:
        """The style sheet of the marks beside the sliders; `seen` are the classifier's probabilities."""
        own = self.scores(session, self.editor.reset(face))
        ids = [*(f"#{slider_id(c)}" for c in self.controls), *(f"#slider-own-{slot + 1}" for slot in range(len(session.own)))]
        rules = []
        for place, control in zip(ids, self.all_controls(session), strict=True):
            safe = own[control.name] + control.safe_low, own[control.name] + control.safe_high
            found = seen.get(control.name) if control.name in self.attributes else None
            found = 1 - found if found is not None and control.reversed else found
            start, at = session.starts.get(control.name, 0.0), requested.values.get(control.name, 0.0)
            held = control.name in requested.request.locks
            rules.append(Mark(place, axis_of(control), own[control.name], start, safe, at, found, held).rule())
        return style_sheet(rules)

    @staticmethod
    def own_slider_update(control: Control, value: float) -> Any:
        """The update that makes a spare slider that of a control."""
        low, high = axis_of(control)
        return gr.update(label=control.label, minimum=low, maximum=high, value=value)

    # ---- locks

    def lock_choices(self, session: Session) -> list[tuple[str, str]]:
        """All locks as a menu shows them, in the order of the sliders."""
        names = [name for name in self.editor.directions if name not in self.colours]
        order = {control.name: place for place, control in enumerate(self.controls)}
        names.sort(key=lambda name: order.get(name, len(order)))
        hair = [(HAIR, HAIR)] if self.colours else []
        own = [(direction.name, direction.name) for direction in session.own]
        return [*((in_words(name)[0], name) for name in names), *hair, *own]

    def toggle_lock(self, session: Session, locks: Sequence[str] | None, pressed: gr.EventData) -> list[str]:
        """The lock beside a slider was pressed."""
        ids = {slider_id(control): control.name for control in self.controls}
        ids |= {f"slider-own-{slot + 1}": direction.name for slot, direction in enumerate(session.own)}
        locks, name = list(locks or []), ids.get(str(pressed.place))
        return locks if name is None else [*locks, name] if name not in locks else [other for other in locks if other != name]

    def report_locks(self, session: Session, requested: RequestedEdit) -> str:
        """What share of each change the locks leave; see `facevae.ui.edit.lock_report`."""
        words = {value: label for label, value in self.lock_choices(session)}
        groups = {words[lock]: self.locked([lock], requested.editor) for lock in requested.chosen_locks if lock in words}
        labels = {control.name: control.label for control in self.all_controls(session)}
        labels |= {name: in_words(name)[0] for name in self.colours}
        return lock_report.report_locks(requested.editor, groups, list(requested.request.strengths), labels)


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

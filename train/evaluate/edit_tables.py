"""Markdown tables of edits, locks and guidance, for the model card and the docs."""

from typing import Any

from train.measure.markdown import judged_by, percent, table

EDITS_NOTE = (
    "Every face is moved in its photo, as the editor does it, towards the other value of the label: from below 0.2 to above 0.5 by the "
    "judge, or from above 0.8 to below 0.5. Success: share of faces that get there. Leak: mean change of the judge's other logits, in σ of "
    "each logit; masked: the same, weighted by 1 - |correlation| of the labels, so that natural companions count less. Same: share of "
    "faces that stay nearer to themselves than 19 of 20 pairs of two people are to each other, in an identity embedding of our own. "
    "Within the data: share whose latent is more likely under the prior than that of the least likely 1 % of held-out faces."
)
ALIKE = (
    "all steps have one unit, the Mahalanobis length: bare weights and single dimensions lie where encodings hardly vary, and hardly move"
)


def edits_note(section: dict[str, Any]) -> str:
    """How success, leakage and identity are measured, and by which nets."""
    people = section["people"]
    return (
        f"{EDITS_NOTE}{judged_by(section)} Identity embedding {section['identity']}: cosines of two photos of one person "
        f"{people['same_5']:.2f}, {people['same_50']:.2f}, {people['same_95']:.2f} (5, 50, 95 %), of two people "
        f"{people['different_5']:.2f}, {people['different_50']:.2f}, {people['different_95']:.2f}; AUROC {people['auroc']:.3f}."
    )


def matrix_table(section: dict[str, Any]) -> str:
    """The shipped directions of the main attributes: 1, 2, 3 σ and the end of the range."""
    rows = []
    for name, row in section["matrix"]["shipped"].items():
        cells = [f"{row[k]['success']:.0%} · {row[k]['leakage']:.2f}" for k in ("1", "2", "3")]
        end = row["end"]
        cells += [f"{end['strength']:.1f}", percent(end["success"]), f"{end['leakage']:.2f}", f"{end['masked']:.2f}"]
        rows.append(
            [name, section["chosen"][name], str(end["n"]), *cells, f"{end['identity']:.2f}", percent(end["same"]), percent(end["density"])]
        )
    mean = section["summary"]["shipped"]
    means = [percent(mean["success"]), f"{mean['leakage']:.2f}", f"{mean['masked']:.2f}", f"{mean['identity']:.2f}"]
    rows.append(["**mean**", *[""] * 6, *means, percent(mean["same"]), percent(mean["density"])])
    head = ["attribute", "estimator", "faces", "1 σ: success · leak", "2 σ", "3 σ", "end, σ", "success", "leak", "masked", "cosine", "same"]
    head.append("within the data")
    return table(head, rows)


def estimator_table(section: dict[str, Any]) -> str:
    """Means over the main attributes at the ends of the shipped ranges, by estimator."""
    rows = []
    for name, row in section["summary"].items():
        cells = [percent(row["success"]), *(f"{row[k]:.2f}" for k in ("leakage", "masked", "identity")), percent(row["same"])]
        rows.append([f"**{name}**" if name == "shipped" else name, *cells])
    return table(["estimator", "success", "leak", "masked", "cosine", "same"], rows)


def sliders_table(section: dict[str, Any]) -> str:
    """Both ends of each slider's safe range: strength, share of faces whose label changes, leakage."""
    rows = []
    for name, row in section["sliders"].items():
        cells = [name]
        for end in (row.get("add"), row.get("remove")):
            cells += [f"{end['strength']:g}", percent(end["success"]), f"{end['leakage']:.2f}"] if end else ["–"] * 3
        rows.append(cells)
    return table(["attribute", "add at σ", "success", "leak", "remove at σ", "success", "leak"], rows)


def locks_table(section: dict[str, Any]) -> str:
    """What locks take from edits, and what they hold."""
    rows = [
        [row["attribute"], row["locked"], percent(row["left"])]
        + [percent(row[state]["success"]) for state in ("free", "held")]
        + [f"{row[state]['companion']:.2f}" for state in ("free", "held")]
        for row in section["locks"]
    ]
    return table(["edit", "locked", "left", "success, free", "… locked", "companion moves, σ, free", "… locked"], rows)


GUIDANCE_NOTE = (
    '"Make it …" on faces whose hardest wanted label the judge sees below 0.2. Success, to the judge and to the guide that steered: above '
    "0.5 in the blended photo; leak as above. Beside it the plain form: all labels in one cross-entropy, 100 steps, no other terms."
)


def guidance_table(section: dict[str, Any]) -> str:
    """The "Make it …" buttons: faces tried, share that reaches the goal, leak, steps and time; then the plain form's."""
    guidance = section["guidance"]
    if not guidance["ours"]:
        return "No face lacked what could be asked for.\n"
    rows = []
    for name, row in guidance["ours"].items():
        other = guidance["plain"][name]
        cells = [percent(row["success"]), percent(row["guide"]), f"{row['leakage']:.2f}", f"{row['steps']:.0f}", f"{row['sec']:.1f}"]
        cells += [percent(other["success"]), percent(other["guide"]), f"{other['leakage']:.2f}", f"{other['sec']:.1f}"]
        rows.append([f"**{name}**" if name == "mean" else name.replace("_", " "), f"{row['n']:.0f}", *cells])
    head = ["make it …", "faces", "judge", "guide", "leak", "steps", "s", "plain: judge", "guide", "leak", "s"]
    own, other = guidance["ours"]["mean"], guidance["plain"]["mean"]
    ratios = f"Against the plain form: {own['sec'] / other['sec']:.2f} of its time, {own['leakage'] / other['leakage']:.2f} of its leak."
    return f"{table(head, rows)}\n{ratios}\n"


def edits_text(section: dict[str, Any]) -> str:
    """All tables of the section, one after the other."""
    text = f"{edits_note(section)}\n\n"
    if section["matrix"]:  # empty where no face clearly has or lacks a main attribute
        text += matrix_table(section)
        if len(section["matrix"]) > 1:
            compared = f" (the first {section['compared']} faces; {ALIKE})" if section["compared"] else ""
            text += f"\nThe same ends with every estimator{compared}:\n\n{estimator_table(section)}"
        text += f"\nLocks:\n\n{locks_table(section)}\nAll sliders, at both ends of their safe range:\n\n"
    text += sliders_table(section)
    return text + (f"\n{GUIDANCE_NOTE}\n\n{guidance_table(section)}" if section["guidance"] else "")

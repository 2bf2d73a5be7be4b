"""The model card of a checkpoint, made from what the checkpoint knows about itself."""

from pathlib import Path
from typing import Any

from facevae.attributes import WITHHELD
from facevae.checkpoint.checkpoint import Checkpoint
from facevae.files import write_atomic
from train.evaluate.detectability import detectability_text
from train.evaluate.drawn_people import draws_text
from train.evaluate.edit_tables import edits_text
from train.evaluate.edited_parts import parts_text
from train.evaluate.lightened_hair import hair_net_text
from train.evaluate.morphs import morphs_text
from train.evaluate.sharpened_parts import detail_text
from train.evaluate.skin_shift import skin_text
from train.measure.markdown import judged_by, percent, table
from train.measure.protocol import REAL, sentences_of, spread, table_of

HEAD = """---
license: other
license_name: non-commercial-research
tags: [vae, face-editing, celeba]
library_name: facevae
---
# {name}

A {size} px variational autoencoder of faces with the classifier, alignment net, face parser, directions and prior that the facevae editor
needs. {parameters:.1f}M parameters, {latent} latent dimensions, trained from scratch on {nimg:,} images seen.

## Data and licence
Trained on a subset of CelebA (Liu, Luo, Wang, Tang, *Deep Learning Face Attributes in the Wild*, ICCV 2015): 24,000 faces of its
train partition, {size} px crops. **Non-commercial research use only**, as the terms of the data set demand. No image of it is part
of the checkpoint or of the project. The face parser learned from masks: by hand of CelebAMask-HQ (Lee et al., *MaskGAN*, CVPR 2020;
non-commercial research and education) and of LFW Part Labels (Kae et al., CVPR 2013; research), by machine of CelebA's photos.

## What it is for, and what it is not for
Trying, teaching and studying latent face editing. Not for identifying people, not for judging them, not for deceiving anybody:
saved pictures carry "AI-edited" and the recipe in their metadata.

- **Attributes are the data set's labels, not facts about people.** Annotators ticked them from single photos. "Male" is shown as
  "Masculine ↔ feminine": it is how a picture was labelled, and says nothing about a person's gender.
- **Labels are noisy.** Published re-annotation studies find about 12 of the 40 attributes consistent in 95 % of the images; the
  table below gives balanced accuracy and AUROC beside accuracy, and the majority baseline.
- **The data are biased.** Celebrities, mostly young, light-skinned, made up and smiling, in posed photos. Other faces are
  reconstructed worse, and directions carry the data's correlations (adding glasses ages; blond hair feminises).
- **Skin keeps its tone.** In the data blond goes with light skin and glasses with dark; every direction but that of pale
  skin, and every search, is held from the moves that change the colour of cheeks. "The tone of skin" below says what is left.
- **Faces are not found equally well.** The table of other sets' photos below counts; strong profiles fail, whoever they are of.
- **Hair keeps its colour** but for its own sliders, which dye it in the photo and touch nothing else. What the parser does not see as hair
  is not dyed; shades are those of the data's hair.
- {sharpness} In a photo the editor keeps the photo's own pixels and adds only the change, on the face alone.{detail}{hair_net}
"""
BLURRY = "A {size} px likelihood model is blurry."
SHARPENED = """Adversaries sharpened the decoder. **What is sharp is guessed, not remembered**: eyes, wrinkles and
  strands of hair look plausible and need not be those of the person."""

DETAIL = """ A detail net gives what is drawn there the sharpness of the photo: it, too, guesses.
  It learned from {windows:,} squares of CelebA's and of CelebA-HQ's photos, {hours:.1f} hours on one processor core."""
HAIR_NET = """ A hair net finds how much hair is in each pixel and draws the strands of
  lighter hair: these are guessed as well. It learned from {windows:,} squares of CelebA-HQ's photos, {hours:.1f} hours on one core."""


FINDING_NOTE = (
    "CelebA's valid frames, turned by up to 35°, scaled 0.7 to 2 times and moved on a canvas, and the alignment net alone from starts "
    "up to 0.45 crop sides, 35° and a factor of 2 off. Errors: mean over eyes and mouth, in % of the eye distance."
)
INVERSION_NOTE = (
    "Refinement searches near the encoder's answer. Ratio: how far an edit of +2 σ moves the logit of an independent classifier (another "
    "seed) after refinement, over how far it moved it before; weakened: share of faces where it fell below 90 %."
)
PROTOCOL_NOTE = (
    "Distances are taken in the features of our own judge, not in Inception's: compare them with the floor, which is what photos reach "
    "against other photos, and with nobody's FID. Left: mean ± standard deviation over disjoint subsets; then all faces at once, where "
    "the floor is training faces against held-out ones. A reconstruction is never compared with its own original. A copy is a sample "
    "nearer to a training face than half of what is usual for held-out faces."
)
MARKS = ("<!-- numbers: written by python -m train figures -->", "<!-- end of numbers -->")


def finding_tables(section: dict[str, Any]) -> str:
    """Errors of the whole way, of the net alone and of Haar's boxes alone; the astronaut; pictures without a face; other sets."""
    names = {"pipeline": "boxes, finder and net", "net": "net alone, rough start", "haar": "Haar's boxes alone"}
    rows = [
        [title, percent(row["found"]), *(f"{row[k]:.1f}" for k in ("error_median", "error_95", "turn_deg_median"))]
        for name, title in names.items()
        if "error_median" in (row := section["celeba"][name])
    ]
    text = table(["way", "within an eye distance", "median error", "95th percentile", "median angle, °"], rows)
    astronaut = section["astronaut"]
    text += (
        f"\nOf {astronaut['n']} variants of scikit-image's astronaut (±25°, 0.5–2 times, brightness 0.6–1.3) {astronaut['found']} are "
        f"found, {astronaut['haar']} by Haar's boxes alone. Faces reported where there is none (boxes that Haar proposed): "
        + ", ".join(f"{name} {row['faces']} ({row['haar']})" for name, row in section["faceless"].items())
        + ".\n"
    )
    if photos := section.get("photos"):
        rows = [[name, str(row["found"]), str(row.get("turned", "–")), str(row["n"])] for name, row in photos.items()]
        text += "\n" + table(["photos", "found", "found, turned by 90, 180 or 270°", "of"], rows)
    return text


def inversion_table(section: dict[str, Any]) -> str:
    """What refinement gains, and what it does to edits."""
    low, middle, high = section["gain_db_percentiles_5_50_95"]
    text = (
        f"PSNR {section['psnr_before_db']:.2f} → {section['psnr_after_db']:.2f} dB on the crop (5, 50, 95 %: {low:.2f}, {middle:.2f}, "
        f"{high:.2f}), {section['face_psnr_before_db']:.2f} → {section['face_psnr_after_db']:.2f} dB on the face; "
        f"{section['steps']:.0f} steps on average.\n\n"
    )
    rows = [
        [name, f"{row['shift_before']:.2f}", f"{row['shift_after']:.2f}", f"{row['ratio']:.2f}", percent(row["weakened"])]
        for name, row in section["edits"].items()
    ]
    return text + table(["+2 σ of", "shift before", "after", "ratio", "weakened"], rows)


def protocol_table(section: dict[str, Any]) -> str:
    """What was measured with what, the likeness of reconstructions, copies, and the distances."""
    title, likeness, copies = sentences_of(section)
    head, rows = table_of(section)
    return f"{title}. {PROTOCOL_NOTE}\n\n{likeness}. {copies}.\n\n{table(head, rows)}"


def prior_table(section: dict[str, Any]) -> str:
    """The priors that were tried: likelihood of held-out encodings, and how near to photos the faces are that they draw."""
    nats, distances = section["valid_nats"], section["distances"]
    best = max((name for name in nats if name.startswith("mixture")), key=lambda name: nats[name], default="")
    rows = []
    for name in [*nats, *(name for name in distances if name not in nats and name != "mixture")]:
        found = distances.get("mixture" if name == best else name)
        drawn = spread(found["frechet"]) if found else "–"
        chosen = name == (best if section["chosen"] == "mixture" else section["chosen"])
        rows.append([f"**{name}**" if chosen else name, f"{nats[name]:.1f}" if name in nats else "–", drawn])
    text = table(["prior", "nats a face", "Fréchet, drawn at T = 1"], rows)
    if flow := section.get("flow"):
        copies = flow["copies"]
        text += (
            f"\nThe flow draws labels first, then a face under them. On {flow['faces']} valid faces it reaches {flow['nats']['flow']:.1f} "
            f"nats, labels unknown, the prior before it ({flow['before']}) {flow['nats']['before']:.1f}. Nearest encoding of a training "
            f"face: median {copies['samples_median']:.1f} σ for {copies['n']} draws, {copies['held_out_median']:.1f} σ for held-out faces; "
            f"copies (nearer than half of that): {copies['copies']}.\n"
        )
    return text


PRIOR_NOTE = (
    "Priors, on valid: log-likelihood of encodings of held-out faces, and the Fréchet distance of drawn faces in the judge's features; the "
    "number of Gaussians is chosen by the first, between mixture and flow by the second."
)


def numbers(checkpoint: Checkpoint) -> str:
    """The README's table: eight figures of a checkpoint, what to compare each with, and the command that prints it."""
    training, edits, protocol = (checkpoint.evaluation[k] for k in ("training", "edits", "protocol"))
    likeness, distances, sliders = protocol["reconstruction"], protocol["distances"], edits["summary"]["shipped"]
    guided = edits["guidance"]["ours"]["mean"]
    parameters = sum(p.numel() for p in checkpoint.net.parameters()) / 1e6
    floor, drawn, normal = (spread(distances[k]["frechet"]) for k in (REAL, "samples T=1", "N(0, I) T=1"))
    command = "`python -m train evaluate {} --data …`"
    rows = [
        [
            "size",
            f"{parameters:.1f}M weights, {likeness['latent']} latents",
            f"{training['nimg']:,} images seen in training",
            "`python -m train export …`",
        ],
        [
            f"rebuilt faces, PSNR ({protocol['n']:,} of test)",
            f"{likeness['psnr_db']:.2f} dB",
            against(likeness["psnr_db"], 23.5, "23.5 dB"),
            command.format("protocol"),
        ],
        ["rate (KL to the prior)", f"{likeness['rate_nats']:.0f} nats", f"{likeness['bits_per_dim']:.2f} bits/dim in all", "same"],
        ["drawn faces, Fréchet distance", drawn, f"photos {floor}, N(0, I) {normal}", "same"],
        [
            "slider at its end: the judge sees the new label",
            percent(sliders["success"]),
            against(sliders["success"], 0.9, percent(0.9)),
            command.format("edits"),
        ],
        ["… other labels move by", f"{sliders['leakage']:.2f} σ", against(-sliders["leakage"], -0.25, "0.25"), "same"],
        ["… still the same person", percent(sliders["same"]), against(sliders["same"], 0.9, percent(0.9)), "same"],
        ['"Make it …": the judge agrees', percent(guided["success"]), f"{guided['sec']:.1f} s a photo", "same"],
    ]
    return table(["figure", "value", "compare", "command"], rows)


def against(value: float, goal: float, text: str) -> str:
    """A goal, and whether it was missed; more is better."""
    return f"goal {text}" if value >= goal else f"goal {text}: missed"


def write_between(document: Path, marks: tuple[str, str], text: str) -> None:
    """Replace what a document holds between two marks."""
    before, rest = document.read_text().split(marks[0])
    after = rest.split(marks[1])[1]
    write_atomic(document, lambda p: p.write_text(f"{before}{marks[0]}\n{text}{marks[1]}{after}"))


def write_numbers(readme: Path, checkpoint: Checkpoint) -> None:
    """Put the table of figures between the marks of the README."""
    write_between(readme, MARKS, numbers(checkpoint))


def classifier_table(scores: dict[str, Any], withheld: dict[str, str]) -> str:
    """Scores of each attribute, and whether it has a slider."""
    rows = []
    for name, row in scores.items():
        cells = ["–" if row[k] is None else f"{row[k]:.3f}" for k in ("auroc", "brier", "calibration")]
        slider = "" if name == "mean" else withheld.get(name, "yes")
        rows.append([name, *(percent(row[k]) for k in ("accuracy", "majority", "balanced")), *cells, slider])
    return table(["attribute", "accuracy", "majority", "balanced", "AUROC", "Brier", "calibration error", "slider, or why not"], rows)


def model_card(checkpoint: Checkpoint) -> str:
    """Markdown with Hub front matter; tables for whatever the evaluation holds."""
    net, evaluation = checkpoint.net, checkpoint.evaluation
    text = HEAD.format(
        name=checkpoint.name,
        size=net.config.size,
        sharpness=SHARPENED if getattr(net.config, "detail_widths", ()) else BLURRY.format(size=net.config.size),
        detail=DETAIL.format(**evaluation["detail"]) if "detail" in evaluation else "",
        hair_net=HAIR_NET.format(**evaluation["hair_net"]) if "hair_net" in evaluation else "",
        latent=net.config.latent,
        parameters=sum(p.numel() for p in net.parameters()) / 1e6,
        nimg=evaluation.get("training", {}).get("nimg", 0),
    )
    text += "\n## Withheld from the sliders\n" + "".join(f"- {name}: {why}\n" for name, why in WITHHELD.items())
    # Attributes that the editor would show, had their directions not failed a measurement, and which.
    failed = evaluation.get("withheld", {})
    text += "".join(f"- {name}: {why}\n" for name, why in failed.items())
    if section := evaluation.get("reconstruction"):
        text += (
            f"\n## Reconstruction, {section['n']} held-out faces of the {section['split']} partition\n"
            f"PSNR {section['psnr_db']:.2f} dB, distortion {section['distortion_nats']:.0f} nats, rate {section['rate_nats']:.0f} nats, "
            f"{section['bits_per_dim']:.3f} bits/dim.\n"
        )
    if section := evaluation.get("protocol"):
        text += f"\n## Protocol, {section['n']} held-out faces of the {section['split']} partition\n{protocol_table(section)}"
    if section := evaluation.get("draws"):
        text += f"\n## One seed, with and without a label\n{draws_text(section)}"
    if section := evaluation.get("prior"):
        text += f"\n## Prior\n{PRIOR_NOTE}{judged_by(section)}\n\n{prior_table(section)}"
    if section := evaluation.get("edits"):
        text += f"\n## Edits, {section['n']} held-out faces\n{edits_text(section)}"
    if section := evaluation.get("skin"):
        text += f"\n## The tone of skin\n{skin_text(section)}"
    if section := evaluation.get("parts"):
        text += f"\n## Parts of the face\n{parts_text(section)}"
    if section := evaluation.get("morph"):
        text += f"\n## Morphs\n{morphs_text(section)}"
    if section := evaluation.get("detail"):
        text += f"\n## Detail\n{detail_text(section)}"
    if section := evaluation.get("hair_net"):
        text += f"\n## Hair\n{hair_net_text(section)}"
    if section := evaluation.get("detectability"):
        text += f"\n## Can edits be told from photos?\n{detectability_text(section)}"
    if section := evaluation.get("alignment"):
        text += f"\n## Finding faces, {section['n']} frames\n{FINDING_NOTE}\n\n{finding_tables(section)}"
    if section := evaluation.get("inversion"):
        text += f"\n## Refinement, {section['n']} held-out faces\n{INVERSION_NOTE}{judged_by(section)}\n\n{inversion_table(section)}"
    if section := evaluation.get("classifier"):
        mean, decoded = section["photos"]["mean"], section["reconstructions"]
        text += (
            f"\n## Classifier, {section['n']} held-out faces\n"
            f"Mean accuracy {percent(mean['accuracy'])} on photos (majority {percent(mean['majority'])}), "
            f"{percent(decoded['accuracy'])} on reconstructions.\n\n"
        )
        text += classifier_table(section["photos"], WITHHELD | failed)
    return text

"""The model card of a checkpoint, made from what the checkpoint knows about itself."""

from facevae.attributes import WITHHELD
from facevae.checkpoint import Checkpoint

HEAD = """---
license: other
license_name: non-commercial-research
tags: [vae, face-editing, celeba]
library_name: facevae
---
# {name}

A {size} px variational autoencoder of faces with the classifier, directions and prior that the facevae editor needs.
{parameters:.1f}M parameters, {latent} latent dimensions, trained from scratch on {nimg:,} images seen.

## Data and licence
Trained on a subset of CelebA (Liu, Luo, Wang, Tang, *Deep Learning Face Attributes in the Wild*, ICCV 2015): 24,000 faces of its
train partition, {size} px crops. **Non-commercial research use only**, as the terms of the data set demand. No image of it is part
of the checkpoint or of the project.

## What it is for, and what it is not for
Trying, teaching and studying latent face editing. Not for identifying people, not for judging them, not for deceiving anybody:
saved pictures carry "AI-edited" and the recipe in their metadata.

- **Attributes are the data set's labels, not facts about people.** Annotators ticked them from single photos. "Male" is shown as
  "Masculine ↔ feminine": it is how a picture was labelled, and says nothing about a person's gender.
- **Labels are noisy.** Published re-annotation studies find about 12 of the 40 attributes consistent in 95 % of the images; the
  table below gives balanced accuracy and AUROC beside accuracy, and the majority baseline.
- **The data are biased.** Celebrities, mostly young, light-skinned, made up and smiling, in posed photos. Other faces are
  reconstructed worse, and directions carry the data's correlations (adding glasses ages; blond hair feminises).
- A {size} px likelihood model is blurry. In a photo the editor keeps the photo's own pixels and adds only the change.
"""


def percent(value: float | None) -> str:
    """A share as a percentage, a dash where there is none."""
    return "–" if value is None else f"{100 * value:.1f} %"


def model_card(checkpoint: Checkpoint) -> str:
    """Markdown with Hub front matter; tables for whatever the evaluation holds."""
    net, evaluation = checkpoint.net, checkpoint.evaluation
    text = HEAD.format(
        name=checkpoint.name,
        size=net.config.size,
        latent=net.config.latent,
        parameters=sum(p.numel() for p in net.parameters()) / 1e6,
        nimg=evaluation.get("training", {}).get("nimg", 0),
    )
    text += "\n## Withheld from the sliders\n" + "".join(f"- {name}: {why}\n" for name, why in WITHHELD.items())
    if section := evaluation.get("reconstruction"):
        text += (
            f"\n## Reconstruction, {section['n']} held-out faces of the {section['split']} partition\n"
            f"PSNR {section['psnr_db']:.2f} dB, distortion {section['distortion_nats']:.0f} nats, rate {section['rate_nats']:.0f} nats, "
            f"{section['bits_per_dim']:.3f} bits/dim.\n"
        )
    if section := evaluation.get("edits"):
        text += (
            f"\n## Edits in the photo at the ends of the sliders, {section['n']} held-out faces\n"
            "Share of faces whose label the classifier sees change (from below 0.2 to above 0.5, or from above 0.8 to below 0.5); leak is "
            "the mean change of the other logits in σ. The classifier is also the one that guided: read it as an upper bound.\n\n"
            "| attribute | add at σ | success | leak | remove at σ | success | leak |\n|---|---|---|---|---|---|---|\n"
        )
        for name, row in section["sliders"].items():
            cells = []
            for side in ("add", "remove"):
                r = row.get(side)
                cells += [f"{r['strength']:g}", percent(r["success"]), f"{r['leakage']:.2f}"] if r else ["–"] * 3
            text += f"| {name} | {' | '.join(cells)} |\n"
        if section["guidance"]:
            text += "\n| make it … | faces | success | steps |\n|---|---|---|---|\n"
            text += "".join(f"| {n} | {r['n']} | {percent(r['success'])} | {r['steps']:.0f} |\n" for n, r in section["guidance"].items())
    if section := evaluation.get("classifier"):
        mean, decoded = section["photos"]["mean"], section["reconstructions"]
        text += (
            f"\n## Classifier, {section['n']} held-out faces\n"
            f"Mean accuracy {percent(mean['accuracy'])} on photos (majority {percent(mean['majority'])}), "
            f"{percent(decoded['accuracy'])} on reconstructions.\n\n"
            "| attribute | accuracy | majority | balanced | AUROC |\n|---|---|---|---|---|\n"
        )
        for name, row in section["photos"].items():
            cells = [percent(row[key]) for key in ("accuracy", "majority", "balanced")]
            text += f"| {name} | {' | '.join(cells)} | {'–' if row['auroc'] is None else format(row['auroc'], '.3f')} |\n"
    return text

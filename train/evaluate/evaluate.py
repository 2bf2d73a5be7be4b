"""evaluate(): measure a checkpoint on held-out faces, section by section."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Editor
from facevae.files import write_json
from facevae.nets.judge import Judge
from facevae.photo import images
from train.data.prepared import Listing, PreparedData, list_celeba
from train.evaluate.config import EvaluateConfig
from train.evaluate.detectability import detectability_text, evaluate_detectability
from train.evaluate.drawn_people import draws_text, evaluate_draws
from train.evaluate.edit_matrix import MAIN, edit_matrix, lock_table, open_meter, shipped_steps, slider_table, summary
from train.evaluate.edit_tables import edits_text
from train.evaluate.edited_parts import evaluate_parts, parts_text
from train.evaluate.face_finding import evaluate_alignment, evaluate_photos, print_alignment
from train.evaluate.guidance import compare_guidance
from train.evaluate.inversion import evaluate_inversion, print_inversion
from train.evaluate.lightened_hair import evaluate_hair_net, hair_net_text
from train.evaluate.morphs import evaluate_morphs, morphs_text
from train.evaluate.sharpened_parts import detail_text, evaluate_detail
from train.evaluate.skin_shift import evaluate_skin, skin_text
from train.latent.directions import read_estimators
from train.latent.prior import read_prior
from train.measure.encodings import BATCH, Pasting, PhotoRenderer, encode_many, load_run
from train.measure.fidelity import load_inception
from train.measure.protocol import evaluate_reconstruction, fit_gaussian, measure_protocol, print_protocol
from train.networks.classifier import judge_from
from train.networks.identity import IdentityNet, identity_from
from train.networks.part_judge import load_part_judge
from train.networks.scores import SCORES, Scorer, score_pictures

LIKENESS = ("n", "distortion_nats", "rate_nats", "bits_per_dim", "psnr_db")


@dataclass(frozen=True)
class Inputs:
    """What the sections measure, and what they measure with; None where none of the requested sections needs it."""

    checkpoint: Checkpoint
    config: EvaluateConfig
    data: PreparedData | None = None
    frames: Listing | None = None
    """CelebA's own frames."""
    judge: tuple[Scorer, str] | None = None
    """The net and the digest of its file."""
    identity: tuple[IdentityNet, str, dict[str, float]] | None = None
    """The net, the digest of its file, and the cosines it was saved with."""
    inception: FrechetInceptionDistance | None = None
    """The net and the digest of its file."""
    part_judge: tuple[Judge, str] | None = None
    """The net and the digest of its file; None where none is given."""
    measured: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Sections measured so far."""


def open_data(config: EvaluateConfig) -> PreparedData:
    """The prepared data set; `ValueError` where none is given."""
    if config.data is None:
        raise ValueError("--data names a prepared data set; make one with: python -m train prepare")
    return PreparedData(config.data)


def list_frames(config: EvaluateConfig) -> Listing:
    """CelebA's own frames; `ValueError` where no folder is given, or photos without a folder for their sheets."""
    if config.celeba is None:
        raise ValueError("--celeba names the folder with CelebA's own frames, which alignment is measured on")
    if config.photos is not None and config.sheets is None:
        raise ValueError("--photos needs --sheets: what was found has to be looked at")
    return list_celeba(config.celeba)


def open_part_judge(config: EvaluateConfig) -> tuple[Judge, str] | None:
    """The part judge of a run and the first digits of its file's SHA-256; None where none is given."""
    if config.part_judge is None:
        return None
    return load_part_judge(config.part_judge), digest_of(config.part_judge / "state.safetensors")


def digest_of(path: Path) -> str:
    """The first 12 digits of a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


# The fields of Inputs that a section may need, and how each is opened.
OPENERS: dict[str, Callable[[EvaluateConfig], Any]] = {
    "data": open_data,
    "frames": list_frames,
    "judge": lambda config: judge_from(config.judge),
    "identity": lambda config: identity_from(config.identity),
    "inception": lambda config: load_inception() if config.fid else None,
    "part_judge": open_part_judge,
}


def measure_reference(inputs: Inputs) -> dict[str, Any]:
    """The section "protocol"."""
    checkpoint, (scorer, digest) = inputs.checkpoint, inputs.judge
    parts = checkpoint.net, checkpoint.variance, checkpoint.prior
    return measure_protocol(*parts, scorer, digest, inputs.data, sheets=inputs.config.sheets, inception=inputs.inception)


def measure_draws(inputs: Inputs) -> dict[str, Any]:
    """The section "draws"; {} where the prior knows no labels."""
    (scorer, digest), (embedding, identity_digest, people) = inputs.judge, inputs.identity
    values = evaluate_draws(inputs.checkpoint, scorer, embedding, people)
    return {"judge": digest, "identity": identity_digest} | values if values else {}


def measure_reconstruction(inputs: Inputs) -> dict[str, Any]:
    """The section "reconstruction"; figures that the protocol has measured on the same faces are taken from there."""
    split = inputs.config.split
    index, protocol = inputs.data.indices(split), inputs.measured.get("protocol", {})
    if protocol and (protocol["split"], protocol["n"]) == (split, len(index)):
        values = {k: protocol["reconstruction"][k] for k in LIKENESS}
    else:
        values = evaluate_reconstruction(inputs.checkpoint.net, inputs.checkpoint.variance, inputs.data, index)
    return {"split": split} | values


def measure_classifier(inputs: Inputs) -> dict[str, Any]:
    """The section "classifier"."""
    return {"split": inputs.config.split} | evaluate_classifier(inputs.checkpoint, inputs.data, inputs.config.split)


def measure_edits(inputs: Inputs) -> dict[str, Any]:
    """The section "edits"."""
    config, (scorer, digest), (embedding, identity_digest, people) = inputs.config, inputs.judge, inputs.identity
    steps = read_estimators(config.run) if config.run is not None else {}
    values = evaluate_edits(inputs.checkpoint, scorer, embedding, people, inputs.data, config, steps)
    return {"split": config.split, "judge": digest, "identity": identity_digest} | values


def measure_skin(inputs: Inputs) -> dict[str, Any]:
    """The section "skin"."""
    config = inputs.config
    return {"split": config.split} | evaluate_skin(inputs.checkpoint, inputs.data, config.split, config.faces, config.guided)


def measure_parts(inputs: Inputs) -> dict[str, Any]:
    """The section "parts"."""
    config, (part_judge, judged_by) = inputs.config, inputs.part_judge or (None, None)
    values = evaluate_parts(inputs.checkpoint, part_judge, inputs.data, config.split, config.faces)
    return {"split": config.split} | ({"part_judge": judged_by} if judged_by else {}) | values


def measure_morphs(inputs: Inputs) -> dict[str, Any]:
    """The section "morph"."""
    config = inputs.config
    return {"split": config.split} | evaluate_morphs(inputs.checkpoint, inputs.data, config.split, config.faces)


def measure_detail(inputs: Inputs) -> dict[str, Any]:
    """The section "detail": how the net was trained, which the checkpoint knows, and what it does on held-out photos."""
    return inputs.checkpoint.evaluation.get("detail", {}) | {"held_out": evaluate_detail(inputs.checkpoint, *masks(inputs))}


def measure_hair_net(inputs: Inputs) -> dict[str, Any]:
    """The section "hair_net": the same of the hair net."""
    return inputs.checkpoint.evaluation.get("hair_net", {}) | {"held_out": evaluate_hair_net(inputs.checkpoint, *masks(inputs))}


def masks(inputs: Inputs) -> tuple[Path, Path]:
    """The folders with masks of held-out photos and with the photos."""
    if inputs.config.parsing is None or inputs.config.celeba is None:
        raise ValueError("--parsing and --celeba name the folders with the held-out photos of detail net and hair net")
    return inputs.config.parsing, inputs.config.celeba


def measure_detectability(inputs: Inputs) -> dict[str, Any]:
    """The section "detectability"."""
    config = inputs.config
    return evaluate_detectability(inputs.checkpoint, inputs.data, config.split, config.attributes, config.examples, config.tried)


def measure_face_finding(inputs: Inputs) -> dict[str, Any]:
    """The section "alignment": on CelebA's valid partition, and on the photos of other sets where given."""
    config, editor = inputs.config, Editor(inputs.checkpoint)
    values = evaluate_alignment(editor, inputs.frames, faces=config.faces)
    return values | ({"photos": evaluate_photos(editor, config.photos, config.sheets)} if config.photos is not None else {})


def measure_inversion(inputs: Inputs) -> dict[str, Any]:
    """The section "inversion"."""
    scorer, digest = inputs.judge
    return {"judge": digest} | evaluate_inversion(inputs.checkpoint, scorer, inputs.data, inputs.config.split, inputs.config.faces)


@dataclass(frozen=True)
class Section:
    """A part of an evaluation."""

    needs: tuple[str, ...]
    """Keys of `OPENERS`."""
    measure: Callable[[Inputs], dict[str, Any]]


# In the order of measurement.
SECTIONS: dict[str, Section] = {
    "protocol": Section(("data", "judge", "inception"), measure_reference),
    "draws": Section(("judge", "identity"), measure_draws),
    "reconstruction": Section(("data",), measure_reconstruction),
    "classifier": Section(("data",), measure_classifier),
    "edits": Section(("data", "judge", "identity"), measure_edits),
    "skin": Section(("data",), measure_skin),
    "parts": Section(("data", "part_judge"), measure_parts),
    "morph": Section(("data",), measure_morphs),
    "detail": Section((), measure_detail),
    "hair_net": Section((), measure_hair_net),
    "detectability": Section(("data",), measure_detectability),
    "alignment": Section(("frames",), measure_face_finding),
    "inversion": Section(("data", "judge"), measure_inversion),
}


def evaluate(folder: Path, what: str, config: EvaluateConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure the section `what` of a checkpoint, or "all" (see `sections_of_all`); yields (section, values).

    `ValueError` where the folder that a section needs is not given, or a net that it needs cannot be had.
    """
    checkpoint = Checkpoint.from_pretrained(folder)
    if config.classifier is not None:
        checkpoint = replace(checkpoint, classifier=judge_from(config.classifier)[0])
    names = sections_of_all(config) if what == "all" else [what]
    # Fail early, before any long measurement.
    needed = {need for name in names for need in SECTIONS[name].needs}
    inputs = Inputs(checkpoint, config, **{need: open_it(config) for need, open_it in OPENERS.items() if need in needed})
    for name in names:
        inputs.measured[name] = SECTIONS[name].measure(inputs)
        yield name, inputs.measured[name]


def sections_of_all(config: EvaluateConfig) -> list[str]:
    """All but "morph" and "detectability", which take long, and what needs CelebA's frames, or masks, that are not given."""
    left_out = {"morph", "detectability"} | ({"alignment"} if config.celeba is None else set())
    if config.celeba is None or config.parsing is None:
        left_out |= {"detail", "hair_net"}
    return [name for name in SECTIONS if name not in left_out]


def evaluate_run(config: EvaluateConfig) -> dict[str, Any]:
    """The protocol on the EMA weights of the training run `config.run`; written to its `evaluation.json`.

    Samples come from the prior that `python -m train prior` left in the run, else from one Gaussian fitted to encodings.
    `ValueError` where a folder, or a net, is missing.
    """
    if config.run is None or config.data is None:
        raise ValueError("evaluate run needs --run, the folder of a training run, and --data, a prepared data set")
    run = load_run(config.run)
    net = run.net
    data = PreparedData(config.data).resized(net.config.shape)
    scorer, digest = judge_from(config.judge)
    inception = load_inception() if config.fid else None
    has_prior = (config.run / "prior.safetensors").is_file()
    prior = read_prior(config.run, net.config.latent) if has_prior else fit_gaussian(net, data)
    section = measure_protocol(net, run.variance, prior, scorer, digest, data, sheets=config.sheets, inception=inception)
    evaluation = {"training": {"nimg": run.nimg}, "protocol": section}
    write_json(config.run / "evaluation.json", evaluation)
    return evaluation


@torch.inference_mode()
def evaluate_classifier(checkpoint: Checkpoint, data: PreparedData, split: str, limit: int | None = None) -> dict[str, Any]:
    """Accuracy, majority baseline, balanced accuracy and AUROC per attribute, on photos and on their reconstructions."""
    index = data.indices(split)[:limit]
    labels = data.labels[index]
    on_photos = score_pictures(checkpoint.classifier, data.images[index], labels, data.attributes)
    pictures = np.concatenate(
        [
            images.to_uint8(checkpoint.net.decode(checkpoint.net.encode(images.to_float(data.images[part])).mode))
            for part in np.array_split(index, -(-len(index) // BATCH))
        ]
    )
    on_reconstructions = score_pictures(checkpoint.classifier, pictures, labels, data.attributes)
    return {"n": len(index), "photos": on_photos, "reconstructions": on_reconstructions["mean"]}


def evaluate_edits(
    checkpoint: Checkpoint,
    judge: Scorer,
    embedding: IdentityNet,
    people: dict[str, float],
    data: PreparedData,
    config: EvaluateConfig,
    steps: Mapping[str, Float[Tensor, " d"]] = {},
) -> dict[str, Any]:
    """What edits do to held-out faces in the photo, as the judge sees it, and whether they stay the same people.

    The edit matrix and the locks (see `edit_matrix`), both ends of every slider, and guidance next to its plain form on at most
    `config.guided` of the faces that lack a goal. `steps` are those of the estimators that were not chosen. Adding: faces with
    probability < 0.2 that end above 0.5; taking away: faces > 0.8 that end below 0.5. Leakage: mean |change| of the other attributes'
    logits, in standard deviations of that logit over the faces.
    """
    editor = Editor(checkpoint)
    attributes = list(judge.config.attributes)
    if missing := [c.name for c in editor.controls if c.name not in attributes]:
        raise ValueError(f"the judge does not answer for {', '.join(missing)}, which the checkpoint has sliders for")
    index = data.sample(config.split, config.faces, np.random.default_rng(7))
    z = encode_many(checkpoint.net, data, index)
    view = PhotoRenderer(checkpoint.net, judge, data, index, z, pasting=Pasting.of(checkpoint), identity=embedding)
    meter = open_meter(checkpoint, view, attributes, people)
    shipped = shipped_steps(editor.renderer)
    matrix = edit_matrix(meter, shipped) | edit_matrix(meter, steps, config.compared)
    return {
        "n": len(index),
        "compared": min(config.compared, len(index)) if steps else 0,
        "people": people,
        "attributes": [name for name in MAIN if name in checkpoint.directions],
        "chosen": {n: "latent flow" if editor.renderer.is_curved(n) else d.estimator for n, d in checkpoint.directions.items()},
        "matrix": matrix,
        "summary": summary(matrix),
        "sliders": slider_table(meter, shipped),
        "locks": lock_table(meter, shipped, config.compared),
        "guidance": compare_guidance(editor, judge, data, index, z, editor.goals, config.guided) if config.guided else {},
    }


def print_tables(evaluation: dict[str, Any]) -> None:
    """Print whatever sections an evaluation has, one table each."""
    if section := evaluation.get("reconstruction"):
        print("\nReconstruction: " + ", ".join(f"{k} {v}" for k, v in section.items()))
    if section := evaluation.get("protocol"):
        print_protocol(section)
    if section := evaluation.get("draws"):
        print(f"\nDraws. {draws_text(section)}")
    if section := evaluation.get("classifier"):
        print(f"\nClassifier, {section['n']} faces")
        print(f"{'attribute':24}{'accuracy':>10}{'majority':>10}{'balanced':>10}{'AUROC':>10}{'Brier':>10}{'calibr.':>10}")
        for name, row in [*section["photos"].items(), ("mean on reconstructions", section["reconstructions"])]:
            cells = [row[key] for key in SCORES]
            print(f"{name:24}" + "".join(f"{'-':>10}" if c is None else f"{c:10.3f}" for c in cells))
    if section := evaluation.get("edits"):
        print(f"\nEdits, {section['n']} faces. {edits_text(section)}")
    if section := evaluation.get("skin"):
        print(f"\nSkin. {skin_text(section)}")
    if section := evaluation.get("parts"):
        print(f"\nParts. {parts_text(section)}")
    if section := evaluation.get("morph"):
        print(f"\nMorph. {morphs_text(section)}")
    if section := evaluation.get("detail"):
        print(f"\nDetail. {detail_text(section)}")
    if section := evaluation.get("hair_net"):
        print(f"\nHair net. {hair_net_text(section)}")
    if section := evaluation.get("detectability"):
        print(f"\nDetectability. {detectability_text(section)}")
    if section := evaluation.get("alignment"):
        print_alignment(section)
    if section := evaluation.get("inversion"):
        print_inversion(section)
        print(f"judge {section['judge']}")

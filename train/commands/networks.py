"""Commands for the nets beside the VAE: `classifier`, `aligner`, `parser`, `part-judge` …"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from train.commands.presets import value_of
from train.networks.aligner import AlignerTrainConfig
from train.networks.classifier import CLASSIFIER_PRESETS, ClassifierTrainConfig
from train.networks.detail import DetailTrainConfig
from train.networks.finder import FinderTrainConfig
from train.networks.hair import HairTrainConfig
from train.networks.identity import IdentityConfig
from train.networks.parser import ParserTrainConfig
from train.networks.part_judge import PartJudgeConfig


@dataclass(frozen=True)
class Classifier:
    """Train the attribute classifier, on photos and on a VAE's reconstructions of them."""

    data: Path
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    vae: Path | None = None
    """Run or checkpoint folder of a VAE whose reconstructions are mixed in."""
    preset: Literal[tuple(CLASSIFIER_PRESETS)] = "guide"  # type: ignore[valid-type]
    """"guide": the classifier of the editor. "judge": the one that scores, and that nothing is ever trained or guided by."""
    publish: Path | None = None
    """Folder that gets the weights when they are done: assets/judge is what `evaluate` measures with."""
    config: ClassifierTrainConfig = field(default_factory=ClassifierTrainConfig)

    @classmethod
    def defaults(cls, args: Sequence[str]) -> "Classifier":
        """The values that single options change: those of the preset that is named."""
        config = CLASSIFIER_PRESETS.get(value_of("--preset", args) or "guide", ClassifierTrainConfig())
        return cls(data=tyro.MISSING, run_dir=tyro.MISSING, config=config)

    def run(self) -> None:
        from train.data.prepared import PreparedData
        from train.networks.classifier import fit_classifier, load_trained, save_classifier, vae_reconstruct

        reconstruct = vae_reconstruct(self.vae) if self.vae is not None else None
        print(f"state: {fit_classifier(self.config, PreparedData(self.data), self.run_dir, reconstruct)}")
        if self.publish is not None:
            save_classifier(self.publish, load_trained(self.run_dir))


@dataclass(frozen=True)
class Identity:
    """Train the identity embedding, which tells whether an edited face is still the same person, and print how well it verifies."""

    data: Path
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    publish: Path | None = None
    """Folder that gets the weights when they are done: assets/identity is what `evaluate edits` measures with."""
    config: IdentityConfig = field(default_factory=IdentityConfig)

    def run(self) -> None:
        from train.data.prepared import PreparedData
        from train.networks.identity import fit_identity, load_trained_identity, save_identity, verification

        data = PreparedData(self.data)
        print(f"state: {fit_identity(self.config, data, self.run_dir)}")
        net = load_trained_identity(self.run_dir)
        for split in ("valid", "test"):
            print(f"{split}: {json.dumps(verification(net, data, split), indent=1)}")
        if self.publish is not None:
            print(f"{self.publish}: {save_identity(self.publish, net, verification(net, data, 'valid'))}")


@dataclass(frozen=True)
class Aligner:
    """Train the alignment net, which puts a rough crop of a face right, on CelebA's own frames."""

    celeba: Path
    """Folder in CelebA's own layout: the frames around the crops are needed, prepared data have lost them."""
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    start: Path | None = None
    """Run folder whose weights a new run begins with."""
    config: AlignerTrainConfig = field(default_factory=AlignerTrainConfig)

    def run(self) -> None:
        from train.data.prepared import list_celeba
        from train.networks.aligner import fit_aligner

        print(f"state: {fit_aligner(self.config, list_celeba(self.celeba), self.run_dir, self.start)}")


@dataclass(frozen=True)
class Finder:
    """Train the face finder, which sees where faces are at any angle and size, on CelebA's own frames."""

    celeba: Path
    """Folder in CelebA's own layout: the frames around the crops are needed, prepared data have lost them."""
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    start: Path | None = None
    """Run folder whose weights a new run begins with."""
    publish: Path | None = None
    """Folder that gets the weights when they are done: assets/finder is what the editor finds faces with."""
    config: FinderTrainConfig = field(default_factory=FinderTrainConfig)

    def run(self) -> None:
        from train.data.prepared import list_celeba
        from train.networks.finder import fit_finder, load_finder, save_finder

        print(f"state: {fit_finder(self.config, list_celeba(self.celeba), self.run_dir, self.start)}")
        if self.publish is not None:
            print(f"{self.publish}: {save_finder(self.publish, load_finder(self.run_dir))}")


@dataclass(frozen=True)
class Parser:
    """Train the face parser, which tells hair, skin, lips, glasses and so on apart, on masks and on a VAE's pictures of their photos."""

    parsing: Path
    """Folder with the masks: celebamask, machine, hair_celeba, hair_lfw."""
    celeba: Path
    """Folder in CelebA's own layout, with the photos of "machine"."""
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    vae: Path | None = None
    """Run or checkpoint folder of the VAE whose pictures are mixed in; the embedded checkpoint where not given."""
    start: Path | None = None
    """Run folder whose weights a new run begins with."""
    config: ParserTrainConfig = field(default_factory=ParserTrainConfig)

    def run(self) -> None:
        from facevae.checkpoint.checkpoint import EMBEDDED
        from facevae.editor import Editor
        from train.networks.classifier import vae_reconstruct
        from train.networks.parser import fit_parser

        reconstruct = vae_reconstruct(self.vae or EMBEDDED)
        state = fit_parser(self.config, self.parsing, self.celeba, self.run_dir, Editor().aligner, reconstruct, self.start)
        print(f"state: {state}")


@dataclass(frozen=True)
class PartJudge:
    """Train the part judge, which sees only the part that an attribute is about, and print its AUROC on valid photos."""

    data: Path
    parser: Path
    """Run of the face parser that says where the parts are."""
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    config: PartJudgeConfig = field(default_factory=PartJudgeConfig)

    def run(self) -> None:
        from train.data.prepared import PreparedData
        from train.networks.parser import load_parser
        from train.networks.part_judge import fit_part_judge, valid_auroc

        data = PreparedData(self.data)
        print(f"state: {fit_part_judge(self.config, data, load_parser(self.parser), self.run_dir)}")
        for name, auroc in valid_auroc(self.run_dir, data).items():
            print(f"{name:24}" + ("       -" if auroc is None else f"{auroc:8.3f}"))


@dataclass(frozen=True)
class Detail:
    """Train the detail net, which sharpens what the decoder drew into a photo, on photos with a part replaced by the decoder's."""

    parsing: Path
    """Folder with the masks: celebamask, machine, hair_celeba, hair_lfw."""
    celeba: Path
    """Folder in CelebA's own layout, with the photos of "machine"."""
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    checkpoint: Path | None = None
    """Checkpoint folder whose decoder draws and whose classifier measures; the embedded one where not given."""
    start: Path | None = None
    """Run or checkpoint folder whose detail net a new run begins with."""
    publish: Path | None = None
    """Checkpoint folder that gets the net when it is done."""
    config: DetailTrainConfig = field(default_factory=DetailTrainConfig)

    def run(self) -> None:
        from facevae.checkpoint.checkpoint import EMBEDDED, Checkpoint
        from facevae.editor import Editor
        from train.data.random_edits import edit_at_random, reconstruct_by
        from train.data.replaced_parts import SIZES, cached_crops
        from train.networks.detail import fit_detail, load_detail
        from train.publish.detail import add_net

        editor = Editor(Checkpoint.from_pretrained(self.checkpoint or EMBEDDED))
        sets = tuple(
            cached_crops(
                self.run_dir,
                size,
                self.parsing,
                self.celeba,
                reconstruct_by(editor),
                editor.renderer.size,
                edit_at_random(editor),
                self.config.edits,
            )
            for size in SIZES
        )
        start = None if self.start is None else load_detail(self.start)
        print(f"state: {fit_detail(self.config, sets, editor.renderer.checkpoint.classifier, self.run_dir, start)}")
        if self.publish is not None:
            print(f"{self.publish}: {add_net(self.publish, 'detail', self.run_dir, self.start).digest}")


@dataclass(frozen=True)
class HairNet:
    """Train the hair net, which finds the hair in a photo and draws the strands of lighter hair, on light hair that was made dark."""

    parsing: Path
    """Folder with the masks: celebamask, machine, hair_celeba, hair_lfw."""
    celeba: Path
    """Folder in CelebA's own layout."""
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    checkpoint: Path | None = None
    """Checkpoint folder whose parser is asked; the embedded one where not given."""
    start: Path | None = None
    """Run or checkpoint folder whose hair net a new run begins with."""
    publish: Path | None = None
    """Checkpoint folder that gets the net when it is done."""
    config: HairTrainConfig = field(default_factory=HairTrainConfig)

    def run(self) -> None:
        from facevae.checkpoint.checkpoint import EMBEDDED, Checkpoint
        from facevae.photo.parts import parser_of
        from train.data.darkened_hair import cached_hair
        from train.networks.hair import fit_hair_net, load_hair_net
        from train.publish.detail import add_net

        parser = parser_of(Checkpoint.from_pretrained(self.checkpoint or EMBEDDED).parser)
        photos = cached_hair(self.run_dir, self.parsing, self.celeba, parser, self.config.seed)
        start = None if self.start is None else load_hair_net(self.start)
        print(f"state: {fit_hair_net(self.config, photos, self.run_dir, start)}")
        if self.publish is not None:
            print(f"{self.publish}: {add_net(self.publish, 'hair_net', self.run_dir, self.start).digest}")

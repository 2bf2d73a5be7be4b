"""python -m train COMMAND: parse, print the config, call one importable function. To resume, run the same command again."""

import json
import os
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from train.ablation import AblationConfig
from train.aligner import AlignerTrainConfig
from train.calibration import DirectionsConfig
from train.classifier import CLASSIFIER_PRESETS, ClassifierTrainConfig
from train.config import PRESETS, TrainConfig
from train.identity import IdentityConfig
from train.prior import Kind, PriorConfig
from train.report.runs import BudgetName

Positional = tyro.conf.Positional


@dataclass(frozen=True)
class Prepare:
    """Pictures -> memory-mapped arrays. Give exactly one of --celeba, --folder, --synthetic."""

    out: Path
    celeba: Path | None = None
    """Folder in CelebA's own layout (img_align_celeba/, list_attr_celeba.txt, list_eval_partition.txt)."""
    folder: Path | None = None
    """Any folder of pictures, without labels."""
    synthetic: int | None = None
    """This many labelled toy faces drawn by code."""
    size: int = 128
    workers: int = 2

    def run(self) -> None:
        from train.data import CELEBA_CROP_PX, list_celeba, list_folder, prepare
        from train.synthetic import prepare_synthetic

        if sum(x is not None for x in (self.celeba, self.folder, self.synthetic)) != 1:
            raise ValueError("give exactly one of --celeba DIR, --folder DIR, --synthetic N")
        if self.celeba is not None:
            prepare(list_celeba(self.celeba), self.out, self.size, CELEBA_CROP_PX, self.workers)
        elif self.folder is not None:
            prepare(list_folder(self.folder), self.out, self.size, None, self.workers)
        else:
            prepare_synthetic(self.out, self.synthetic, self.size, seed=0)


@dataclass(frozen=True)
class Pack:
    """Pictures -> shards for data larger than a disk: tars of JPEGs and labels. Give exactly one of --celeba, --folder, --data."""

    out: Path
    celeba: Path | None = None
    """Folder in CelebA's own layout."""
    folder: Path | None = None
    """Any folder of pictures, without labels."""
    data: Path | None = None
    """Prepared data, at the size they have."""
    size: int = 128
    per_shard: int = 2000
    workers: int = 2

    def run(self) -> None:
        from train.data import CELEBA_CROP_PX, PreparedData, list_celeba, list_folder, load_square
        from train.pack import listing_of, pack

        if sum(x is not None for x in (self.celeba, self.folder, self.data)) != 1:
            raise ValueError("give exactly one of --celeba DIR, --folder DIR, --data DIR")
        if self.data is not None:
            data = PreparedData(self.data)
            return pack(listing_of(data), lambda i: data.images[i], self.out, data.size, self.per_shard, self.workers)
        listing = list_celeba(self.celeba) if self.celeba is not None else list_folder(self.folder)
        crop = CELEBA_CROP_PX if self.celeba is not None else None
        pack(listing, lambda i: load_square(listing.files[i], self.size, crop), self.out, self.size, self.per_shard, self.workers)


@dataclass(frozen=True)
class Fit:
    """Train a VAE. The run folder holds statistics, sheets and the state; the same command resumes, and so does --resume alone."""

    data: str = ""
    """Prepared data, or the train shards of `pack`: "shards/train-{000..199}.tar", a path or an http(s) address."""
    run_dir: Annotated[Path | None, tyro.conf.arg(name="run")] = None
    resume: Path | None = None
    """A run folder: what it says of its data, config, classifier and start stands in the place of the other options."""
    preset: Literal[tuple(PRESETS)] = "faces-128"  # type: ignore[valid-type]
    """Where the values of --config come from; single ones can be changed."""
    config: tyro.conf.AvoidSubcommands[TrainConfig] = field(default_factory=TrainConfig)
    """Of the net, the values of the preset's own architecture can be changed."""
    classifier: Path | None = None
    """Run or checkpoint folder of the classifier that --config.feature-weight, or --config.adversary.sees features, compares by."""
    start: Path | None = None
    """Run or checkpoint folder whose weights a new run begins with."""
    tracker: Literal["tensorboard", "trackio"] | None = None
    """Also send the statistics there; it has to be installed."""

    def run(self) -> None:
        from train.classifier import guide_from
        from train.data import open_data
        from train.loop import fit

        if not self.data or self.run_dir is None:
            raise ValueError("fit needs --data and --run, or --resume with the folder of a run")
        if self.resume not in (None, self.run_dir):
            raise ValueError(f"--resume {self.resume} and --run {self.run_dir} name two runs")
        guide = guide_from(self.classifier) if self.classifier is not None else None
        data = open_data(self.data, self.config.net.shape)
        origin = {"classifier": str(self.classifier.resolve()) if self.classifier is not None else None}
        print(f"state: {fit(self.config, data, self.run_dir, None, guide, self.start, origin, self.tracker)}")


def fit_of(run: Path) -> Fit:
    """The command that made a run, as its folder tells it."""
    from train.config import train_config

    path = run / "config.json"
    if not path.is_file():
        raise ValueError(f"{run} holds no training run: {path.name} is missing")
    told = json.loads(path.read_text())
    if "data" not in told or "net" not in told:
        raise ValueError(f"{path} is not that of a VAE's run")
    data, classifier, start = told.pop("data"), told.pop("classifier", None), told.pop("start", None)
    folders = {k: Path(v) if v else None for k, v in {"classifier": classifier, "start": start}.items()}
    return Fit(data=data, run_dir=run, resume=run, config=train_config(told, str(path)), **folders)


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

    def run(self) -> None:
        from train.classifier import fit_classifier, load_trained, save_classifier, vae_reconstruct
        from train.data import PreparedData

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
        from train.data import PreparedData
        from train.identity import fit_identity, load_trained_identity, save_identity, verification

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
        from train.aligner import fit_aligner
        from train.data import list_celeba

        print(f"state: {fit_aligner(self.config, list_celeba(self.celeba), self.run_dir, self.start)}")


@dataclass(frozen=True)
class Directions:
    """Find the directions of the attributes and their safe ranges; written to the VAE's run folder."""

    data: Path
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    classifier: Path
    judge: Path | None = None
    """Folder of an exported judge, or of its run; the embedded judge where not given."""
    identity: Path | None = None
    """Folder of a saved identity embedding; the embedded one where not given."""
    only: tuple[str, ...] = ()
    """Attributes; what the run has of the others stays. All where not given."""
    write: Path | None = None
    """A checkpoint folder of the same weights, which gets the directions too."""
    config: DirectionsConfig = field(default_factory=DirectionsConfig)

    def run(self) -> None:
        from train.data import PreparedData
        from train.directions import find_directions
        from train.export import add_directions

        found = find_directions(self.run_dir, self.classifier, PreparedData(self.data), self.config, self.judge, self.identity, self.only)
        for name, d in found.items():
            ends = f"{d.low:g} ({d.limits[0]}) … {d.high:g} ({d.limits[1]}) σ"
            print(f"{name:22} {d.estimator:12} AUROC {d.auroc:.3f}  safe range {ends}")
        if self.write is not None:
            print(f"{self.write}: {add_directions(self.write, self.run_dir, self.judge).digest}")


@dataclass(frozen=True)
class Prior:
    """Fit the prior that new faces are drawn from to encodings of the train split; written to the VAE's run folder."""

    data: Path
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    kind: Kind = "auto"
    """"auto": the mixture or the flow, whichever draws faces that are nearer to held-out ones in the judge's features."""
    judge: Path | None = None
    """Folder of an exported judge, or of its run; the embedded judge where not given."""
    config: PriorConfig = field(default_factory=PriorConfig)

    def run(self) -> None:
        from train.data import PreparedData
        from train.prior import find_prior

        about = find_prior(self.run_dir, PreparedData(self.data), self.config, self.kind, self.judge)
        for name, value in about["valid_nats"].items():
            print(f"{name:12} {value:9.2f} nats per held-out face")
        for name, row in about["distances"].items():
            frechet = row["frechet"]
            print(f"{name:12} Fréchet distance {frechet['mean']:.4g} ± {frechet['std']:.2g}{'  chosen' if name == about['chosen'] else ''}")


@dataclass(frozen=True)
class Ablation:
    """Train and measure the variants of the ablation, one change at a time at equal images seen; what is done is not done again."""

    data: Path
    out: Path
    classifier: Path
    """Run or checkpoint folder of the classifier whose features sharpen."""
    start: Path | None = None
    """Run or checkpoint folder that the continued variants begin with; the embedded checkpoint where not given."""
    judge: Path | None = None
    only: tuple[str, ...] = ()
    """Names of variants; all where not given."""
    picture: Path | None = None
    """Where the sheet of rebuilt and drawn faces goes."""
    publish: Path | None = None
    """A document with the ablation's marks (README.md), which gets the tables."""
    config: AblationConfig = field(default_factory=AblationConfig)

    def run(self) -> None:
        from facevae.checkpoint import EMBEDDED
        from train.ablation import CONTINUED, SCRATCH, ablation_table, draw_strips, publish, run_ablation
        from train.classifier import guide_from
        from train.data import PreparedData

        data, names = PreparedData(self.data), self.only or (*SCRATCH, *CONTINUED)
        found = run_ablation(names, self.out, data, guide_from(self.classifier), self.start or EMBEDDED, self.judge, self.config)
        print(ablation_table(found))
        if self.picture is not None:
            draw_strips(self.out, data, names, self.picture)
        if self.publish is not None:
            publish(self.publish, found)


@dataclass(frozen=True)
class Export:
    """Put a run, a classifier, an alignment net, the directions and the prior together to a checkpoint folder."""

    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    classifier: Path
    aligner: Path
    out: Path

    def run(self) -> None:
        from train.export import export

        print(f"{self.out}: {export(self.run_dir, self.classifier, self.aligner, self.out).digest}")


@dataclass(frozen=True)
class Manifest:
    """Write manifest.json of a checkpoint folder from before there was one; its other files, and so its digest, stay as they are."""

    checkpoint: Annotated[Path | None, Positional] = None
    """Folder; the embedded checkpoint where not given."""

    def run(self) -> None:
        from facevae.checkpoint import EMBEDDED
        from train.export import add_manifest

        folder = self.checkpoint or EMBEDDED
        print(f"{folder}: {len(add_manifest(folder)['files'])} files listed")


@dataclass(frozen=True)
class Push:
    """Send a checkpoint to the Hugging Face Hub: repository, files in one commit, card with data, licence, evaluation and drawn faces."""

    repo: Annotated[str, Positional]
    """owner/name."""
    checkpoint: Path | None = None
    """Folder; the embedded checkpoint where not given."""
    private: bool = False
    """Nobody else sees it. Refused where the repository is there already and public."""

    def prepared(self) -> Any:
        from facevae.checkpoint import EMBEDDED
        from train.push import describe_push, prepare_push

        push = prepare_push(self.checkpoint or EMBEDDED, self.repo)
        print(describe_push(push, self.private))
        return push

    def plan(self) -> None:
        """What --dry-run shows: every file as it would be sent, without a request."""
        self.prepared()

    def run(self) -> None:
        from train.push import send

        print(f"pushed: {send(self.prepared(), self.private)}")


@dataclass(frozen=True)
class Release:
    """A finished run -> what the editor ships: directions, prior, export, all measurements, card, exhibit, README's numbers, figures."""

    data: Path
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    classifier: Path
    """Run folder of the guide, or one that holds it already."""
    aligner: Path | None = None
    """Run folder of the alignment net; that of the embedded checkpoint where not given."""
    judge: Path | None = None
    celeba: Path | None = None
    """Folder in CelebA's own layout: finding faces is measured anew. Not needed where the alignment net has not changed."""
    photos: Path | None = None
    sheets: Path | None = None
    out: Path | None = None
    """Folder; the embedded checkpoint where not given."""
    directions: DirectionsConfig = field(default_factory=DirectionsConfig)
    prior: PriorConfig = field(default_factory=PriorConfig)
    faces: int = 300
    guided: int = 20
    figures: bool = True

    def run(self) -> None:
        from facevae.checkpoint import EMBEDDED
        from train.release import release

        given = {k: v for k, v in vars(self).items() if k not in ("data", "run_dir")}
        given |= {"aligner": self.aligner or EMBEDDED, "out": self.out or EMBEDDED}
        print(f"checkpoint: {release(run=self.run_dir, data_folder=self.data, **given).digest}")


@dataclass(frozen=True)
class Evaluate:
    """Measure a checkpoint on held-out faces and print the tables; --write keeps them in the checkpoint and its card."""

    what: Annotated[
        Literal["all", "reconstruction", "protocol", "classifier", "edits", "alignment", "inversion", "run", "show"], Positional
    ] = "all"
    """"show" prints what the checkpoint already holds; "all" leaves out "alignment" without --celeba; "run" measures the protocol on the
    training run --run and writes its evaluation.json."""
    checkpoint: Path | None = None
    """Folder; the embedded checkpoint where not given."""
    data: Path | None = None
    """Prepared data: needed for all but "alignment"."""
    celeba: Path | None = None
    """Folder in CelebA's own layout, for "alignment": it needs whole frames (of the valid partition)."""
    photos: Path | None = None
    """Folder with lfw/ and fairface/, for "alignment": share of faces found in each group."""
    sheets: Path | None = None
    """Where "alignment" puts sheets of the crops of --photos, and "protocol" samples and the training faces nearest to them, outside the
    project."""
    judge: Path | None = None
    """Folder of a saved judge, or the run of a classifier of another seed, for "protocol", "edits" and "inversion"; the embedded judge
    where not given."""
    classifier: Path | None = None
    """Folder of a saved classifier, or its run: "classifier" measures it in the place of the checkpoint's own."""
    identity: Path | None = None
    """Folder of a saved identity embedding, for "edits"; the embedded one where not given."""
    fid: bool = False
    """Let "protocol" measure the standard Inception FID too; it needs torch-fidelity, which downloads the weights."""
    run_dir: Annotated[Path | None, tyro.conf.arg(name="run")] = None
    """Run folder of a VAE, for "run"; for "edits" the one that holds the directions that were not chosen, which the matrix compares."""
    split: Literal["train", "valid", "test"] = "test"
    """For all but "protocol", whose faces are fixed."""
    faces: int = 300
    """Faces of the edit table, of "alignment" and of "inversion"."""
    guided: int = 20
    """Faces for each goal of guidance; 0 leaves guidance out."""
    compared: int = 100
    """Faces that the directions that were not chosen, and the locks, are tried on."""
    write: bool = False
    keep: str = ""
    """What to call the weights in the README's table of the long run, which "run" and "protocol" add a row to."""

    def run(self) -> None:
        from facevae.checkpoint import EMBEDDED, Checkpoint
        from train.evaluate import evaluate, evaluate_run, print_tables
        from train.export import add_evaluation
        from train.milestones import keep_milestone

        folder = self.checkpoint or EMBEDDED
        if self.keep and self.what not in ("run", "protocol"):
            raise ValueError('--keep is for "run" and "protocol"')
        if self.what == "show":
            return print_tables(Checkpoint.from_pretrained(folder).evaluation)
        if self.what == "run":
            evaluation = evaluate_run(self.run_dir, self.data, self.judge, self.sheets, self.fid)
            print_tables(evaluation)
            return keep_milestone(self.keep, evaluation) if self.keep else None
        if self.classifier is not None and (self.what != "classifier" or self.write):
            raise ValueError('--classifier is for "classifier", without --write: a checkpoint keeps figures of its own classifier only')
        given = {k: v for k, v in vars(self).items() if k not in ("checkpoint", "run_dir", "write", "keep")} | {"run": self.run_dir}
        for section, values in evaluate(folder, **given):
            print_tables({section: values})
            if self.write:
                add_evaluation(folder, section, values)
            if self.keep:
                keep_milestone(self.keep, {"training": Checkpoint.from_pretrained(folder).evaluation["training"], section: values})


@dataclass(frozen=True)
class Report:
    """Reproduce one of the four reports: train what it needs, measure, write report.md with "claimed / found" for each claim."""

    name: Annotated[Literal["residual", "disentangling", "lambda", "twins"], Positional]
    budget: BudgetName = "short"
    """full: as the report trained. short: at most 40 minutes on two cores. smoke: toy faces drawn by code, tiny nets, under a minute."""
    data: Path | None = None
    """Prepared data; not needed for smoke."""
    out: Path | None = None
    """Folder of the runs, the page and the figures; runs/reports/NAME-BUDGET where not given."""
    classifier: Path | None = None
    """Run folder of the classifier that edits and guides; the embedded checkpoint's where not given."""
    judge: Path | None = None
    """Run folder of a classifier of another seed, which scores; trained where not given."""
    publish: Path | None = None
    """Folder of documents (docs): the page and those figures that show no photo of the data go to its reports/NAME."""

    def run(self) -> None:
        from train.report.command import run_report

        out = self.out or Path("runs/reports") / f"{self.name}-{self.budget}"
        start = time.monotonic()
        page = run_report(self.name, self.budget, out, self.data, self.classifier, self.judge, self.publish)
        print(f"report: {page}, after {(time.monotonic() - start) / 60:.1f} min")


@dataclass(frozen=True)
class Exhibit:
    """Measure the latent space of a run for the page's Latent space tab (app.py --exhibits). It holds nobody's encoding."""

    data: Path
    run_dir: Annotated[Path, tyro.conf.arg(name="run")]
    out: Path
    judge: Path | None = None
    """Folder of a saved judge, or of its run; the embedded judge where not given."""
    title: str = ""
    """Name in the tab; that of the run's folder where not given."""
    twins: Path | None = None
    """With the runs folder of the report "twins": the four exhibits that are embedded, --run being that of the embedded checkpoint."""

    def run(self) -> None:
        from facevae.checkpoint import EMBEDDED
        from train.classifier import judge_from
        from train.data import PreparedData
        from train.exhibits import make_exhibit, make_exhibits, subject_of_run

        data, (judge, _) = PreparedData(self.data), judge_from(self.judge)
        if self.twins is not None:
            make_exhibits(EMBEDDED, self.run_dir, self.twins, data, judge, self.out)
        else:
            title = self.title or self.run_dir.name
            make_exhibit(subject_of_run(self.run_dir), data, judge, self.out, title, f"The run {self.run_dir.name}.")
        print(f"exhibit: {self.out}")


@dataclass(frozen=True)
class Bench:
    """Time the app and the training: each against what it is measured by, in the same run."""

    what: Annotated[Literal["photo", "page", "start", "load", "editor", "step", "peers", "data"], Positional] = "photo"
    """photo: opening and saving 12 megapixels. page: from a slider's move to the picture, in Chromium. start: from `python app.py`
    to the first answer and the first edit. load: users of the page over HTTP, each with a face of their own. editor: what it
    computes, against ONNX Runtime, bare gradients and a copy in memory. step: the training loop against its bare step. peers: and
    against the loops of others. data: preparing pictures, and training over ever more of them."""
    checkpoint: Path | None = None
    repeats: int = 7
    """Rounds of photo, editor, step, peers and data, drags of page, starts of start."""
    data: Path | None = None
    """Prepared data, for step and peers."""
    celeba: Path | None = None
    """Folder in CelebA's own layout, for peers and data."""
    preset: Literal[tuple(PRESETS)] = "faces-128"  # type: ignore[valid-type]
    """What step and peers train."""
    steps: int = 8
    """That are counted in each run of step, peers and data."""
    users: int = 20
    minutes: float = 10.0
    json: Path | None = None
    """Where the figures go as JSON."""

    def run(self) -> None:
        from facevae.files import write_json

        if self.repeats < 1:
            raise ValueError(f"--repeats {self.repeats}: at least one is needed")
        if self.steps < 2:
            raise ValueError(f"--steps {self.steps}: at least two are needed")
        found = getattr(self, self.what if self.what != "data" else "growth")()
        if self.json is not None:
            write_json(self.json, found)

    def photo(self) -> dict[str, Any]:
        from facevae.editor import Editor
        from train.bench import bench_photo, print_bench

        print_bench(found := bench_photo(Editor(self.checkpoint), self.repeats))
        return found

    def page(self) -> dict[str, Any]:
        from train.page_bench import bench_page, print_page

        print_page(found := bench_page(self.repeats, self.checkpoint))
        return found

    def start(self) -> dict[str, Any]:
        from train.start_bench import bench_start, print_start

        print_start(found := bench_start(self.repeats, self.checkpoint))
        return found

    def load(self) -> dict[str, Any]:
        from train.load_bench import bench_load, print_load

        print_load(found := bench_load(self.users, self.minutes, self.checkpoint))
        return found

    def editor(self) -> dict[str, Any]:
        from facevae.editor import Editor
        from train.editor_bench import bench_editor, print_editor

        print_editor(found := bench_editor(Editor(self.checkpoint), self.repeats, self.checkpoint))
        return found

    def step(self) -> dict[str, Any]:
        from train.step_bench import bench_step, print_step

        print_step(found := bench_step(PRESETS[self.preset], self._prepared(), self.repeats, self.steps))
        return found

    def peers(self) -> dict[str, Any]:
        from train.step_bench import bench_peers, print_step

        print_step(found := bench_peers(PRESETS[self.preset], self._prepared(), self._given(self.celeba), self.repeats, self.steps))
        return found

    def growth(self) -> dict[str, Any]:
        from train.data_bench import bench_data, print_data

        print_data(found := bench_data(self._given(self.celeba), self.repeats, self.steps))
        return found

    def _prepared(self) -> Any:
        from train.data import PreparedData

        if self.data is None:
            raise ValueError(f"bench {self.what} needs --data, a folder that prepare wrote")
        return PreparedData(self.data).resized(PRESETS[self.preset].net.shape)

    def _given(self, celeba: Path | None) -> Path:
        if celeba is None:
            raise ValueError(f"bench {self.what} needs --celeba, a folder in CelebA's own layout")
        return celeba


@dataclass(frozen=True)
class Figures:
    """Draw the pictures of the README: samples, edits and a morph of faces our model drew, and the public-domain photo."""

    out: Path = Path("assets/figures")
    checkpoint: Path | None = None
    celeba: Path | None = None
    """With a folder in CelebA's own layout: sheets of its test faces go to --out, and nothing else. They may not be published."""

    def run(self) -> None:
        from facevae.editor import Editor
        from train.blending import compare_blending
        from train.figures import draw_figures, private_sheets

        if self.celeba is not None:
            return private_sheets(Editor(self.checkpoint), self.celeba, self.out)
        draw_figures(self.checkpoint, self.out)
        compare_blending(self.out, self.checkpoint)


COMMANDS = {
    "prepare": Prepare,
    "pack": Pack,
    "fit": Fit,
    "classifier": Classifier,
    "identity": Identity,
    "aligner": Aligner,
    "directions": Directions,
    "prior": Prior,
    "ablation": Ablation,
    "export": Export,
    "manifest": Manifest,
    "push": Push,
    "release": Release,
    "evaluate": Evaluate,
    "report": Report,
    "exhibit": Exhibit,
    "bench": Bench,
    "figures": Figures,
}


def value_of(option: str, args: list[str]) -> str | None:
    """What an option was given last, before the command line is parsed as a whole."""
    given = [args[i + 1] for i, a in enumerate(args[:-1]) if a == option]
    given += [a.partition("=")[2] for a in args if a.startswith(f"{option}=")]
    return given[-1] if given else None


def default_for(command: type, args: list[str]) -> object | None:
    """Where there are presets, the values of the one that is named, so that --help shows them and single ones can be changed."""
    preset = value_of("--preset", args)
    if command is Fit:
        if resume := value_of("--resume", args):
            return fit_of(Path(resume))
        return Fit(config=PRESETS.get(preset or "faces-128", TrainConfig()))
    if command is Classifier:
        config = CLASSIFIER_PRESETS.get(preset or "guide", ClassifierTrainConfig())
        return Classifier(data=tyro.MISSING, run_dir=tyro.MISSING, config=config)
    return None


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0, or 2 with one sentence for what a user can cause, or 130 for Ctrl-C."""
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] not in COMMANDS:
        print("usage: python -m train COMMAND [--help]\n")
        for name, command in COMMANDS.items():
            print(f"  {name:12} {command.__doc__.splitlines()[0]}")
        return 0 if args and args[0] in ("-h", "--help") else 2
    command, rest = COMMANDS[args[0]], args[1:]
    dry_run = "--dry-run" in rest
    try:
        parsed = tyro.cli(
            command, args=[a for a in rest if a != "--dry-run"], prog=f"python -m train {args[0]}", default=default_for(command, rest)
        )
        if os.environ.get("RANK", "0") == "0":  # of several processes under `accelerate launch`, one talks
            print(json.dumps(asdict(parsed), default=str, indent=1))
        if not dry_run:
            parsed.run()
        elif hasattr(parsed, "plan"):
            parsed.plan()
    except (ValueError, FloatingPointError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from there", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""run_report(): data, classifier, judge, one report and its page."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.nets.classifier import AttributeClassifier
from train.data.prepared import PreparedData
from train.data.synthetic import prepare_synthetic
from train.networks.classifier import ClassifierTrainConfig, fit_classifier, judge_from, load_trained
from train.networks.scores import Scorer
from train.report.disentangling import report as disentangling
from train.report.lambda_study import report as lambda_study
from train.report.page import ReportPage, publish
from train.report.residual import report as residual
from train.report.runs import BUDGETS, BudgetName
from train.report.study import Study
from train.report.twins import report as twins

REPORTS: dict[str, Callable[[Study], ReportPage]] = {
    "residual": residual,
    "disentangling": disentangling,
    "lambda": lambda_study,
    "twins": twins,
}
JUDGE_SEED = 1
SMOKE_FACES, SMOKE_SIZE = 240, 32


def run_report(
    name: str,
    budget: BudgetName,
    out: Path,
    data_folder: Path | None = None,
    classifier_run: Path | None = None,
    judge_run: Path | None = None,
    docs: Path | None = None,
) -> Path:
    """Train what the report needs, measure, write its page; gives the path of `report.md`. The same call goes on where it was stopped.

    Without `data_folder` (budget "smoke" alone) faces drawn by code are used. Without `classifier_run` the embedded
    checkpoint's classifier edits and guides where it knows the data's attributes, and a new one where not; without
    `judge_run` a judge is trained in the folder. `ValueError` where data, run folders and budget do not fit.
    """
    if name not in REPORTS:
        raise ValueError(f"there is no report {name!r}; there are {', '.join(REPORTS)}")
    if budget == "smoke" and data_folder is None:
        study = smoke_study(name, out)
    elif data_folder is None:
        raise ValueError(f"budget {budget!r} needs --data: a folder made by python -m train prepare")
    else:
        data = PreparedData(data_folder)
        classifier, judge = find_classifier(data, out, classifier_run, budget), find_judge(data, out, judge_run, budget)
        study = Study(name, budget, data, out, classifier, judge)
    page = REPORTS[name](study)
    if docs is not None:
        publish(page.folder, docs)
    return page.folder / "report.md"


def smoke_study(name: str, folder: Path) -> Study:
    """A report on toy faces with tiny nets: every line runs, no figure means anything."""
    if not (folder / "data" / "dataset.json").is_file():
        prepare_synthetic(folder / "data", SMOKE_FACES, SMOKE_SIZE, seed=0)
    data = PreparedData(folder / "data")
    nets = [trained_classifier(data, folder / role, seed, "smoke") for role, seed in (("classifier", 0), ("judge", JUDGE_SEED))]
    return Study(name, "smoke", data, folder, *nets)


def find_classifier(data: PreparedData, folder: Path, run: Path | None, budget: BudgetName) -> AttributeClassifier:
    """The given one, the embedded one where it knows the data's attributes, or a new one."""
    if run is not None:
        return known(load_trained(run), data)
    embedded = Checkpoint.from_pretrained().classifier
    suits = not data.attributes or list(embedded.config.attributes) == data.attributes
    return embedded if suits else trained_classifier(data, folder / "classifier", 0, budget)


def find_judge(data: PreparedData, folder: Path, run: Path | None, budget: BudgetName) -> Scorer:
    """A saved judge or that of a classifier run, or a new one of another seed than the classifier that guides.

    Without labels none can be trained: the embedded one still tells faces apart.
    """
    if run is not None:
        return known(judge_from(run)[0], data)
    if not data.attributes:
        return Checkpoint.from_pretrained().classifier
    return trained_classifier(data, folder / "judge", JUDGE_SEED, budget)


def known(net: Scorer, data: PreparedData) -> Scorer:
    """`ValueError` where the classifier answers for other attributes than the data has."""
    if data.attributes and list(net.config.attributes) != data.attributes:
        raise ValueError(f"the classifier answers for {', '.join(net.config.attributes)}, the data has {', '.join(data.attributes)}")
    return net


def trained_classifier(data: PreparedData, run: Path, seed: int, budget: BudgetName) -> AttributeClassifier:
    """A classifier trained on photos alone."""
    config = ClassifierTrainConfig(size=64, seed=seed, total_nimg=BUDGETS[budget].judge_nimg, reconstructed=0, mixup=0)
    if budget == "smoke":
        tiny = {
            "size": 16,
            "layers": (1, 1, 1, 1),
            "batch_size": 64,
            "lr_ramp_nimg": 64,
            "ema_halflife_nimg": 64,
            "valid_nimg": 24,
            "precision": "no",
        }
        config = replace(config, tick_nimg=config.total_nimg, **tiny)
    fit_classifier(config, data, run)
    return load_trained(run)

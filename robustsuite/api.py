"""The public functions: the same line that the plugin runs, in whole or in parts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from robustsuite import assembling, attacking, catalog, comparing, corrupting, explaining, judging, loading, suite_files
from robustsuite.attacking import AttackResult
from robustsuite.classifying import Subject, evaluation_mode
from robustsuite.errors import UsageError
from robustsuite.notebook import ShownReport, shown
from robustsuite.numerics.condense import checked, condense
from robustsuite.numerics.levels import to_unit
from robustsuite.numerics.random import image_keys
from robustsuite.predictions import Outcome
from robustsuite.records import (
    Attacked,
    Check,
    Comparison,
    Condition,
    Corrupted,
    Dataset,
    Decision,
    Measurement,
    Model,
    Norm,
    Settings,
    Suite,
    ThreatModel,
)
from robustsuite.rejudging import aliases_in, rejudge
from robustsuite.roles import Classifier, Images, Labels, Levels, Logits, Recalibration
from robustsuite.running import Run
from robustsuite.store import folder_for
from robustsuite.writing import read, write


def corrupt(
    images: Images | Levels,
    corruption: str,
    severity: int,
    *,
    ids: Sequence[str] | None = None,
    seed: int = 0,
    profile: str = "auto",
    as_published: bool = False,
) -> Images | Levels:
    """A batch of images under a common corruption.

    Args:
        images: `[batch, 3, height, width]`; uint8 levels as a benchmark stores them, or floats in [0, 1],
            which are rounded to the nearest level first: the benchmarks are defined on levels.
        corruption: a name in the catalog, such as `fog`.
        severity: 1 to 5.
        ids: one name per image, to which its noise belongs; by default the position in the batch.
        seed: another seed draws other noise.
        profile: whose constants: `imagenet`, `imagenet-299`, `tiny`, `cifar`, or `auto` by the images' size.
        as_published: compress the result as the distributed files of ImageNet-C are (JPEG, quality 85).

    Returns:
        Of the type that came in: uint8 levels as the benchmark stores them, or those levels divided by 255.

    Raises:
        UsageError: unknown corruption, severity or profile; images of another shape, type or range.
    """
    levels = _levels(images)
    keys = image_keys(_names(ids, len(images))).to(images.device)
    found = corrupting.corrupt(levels, Corrupted(corruption, severity, as_published), keys, seed, profile)
    return found if images.dtype == torch.uint8 else to_unit(found, images.dtype)


def attack(
    model: Classifier,
    images: Images,
    labels: Labels,
    attack: str,
    *,
    norm: Norm,
    epsilon: float | str | Fraction,
    ids: Sequence[str] | None = None,
    seed: int = 0,
    **options: int | float | bool | str,
) -> AttackResult:
    """The worst that an attack finds in a threat model, image by image; see `AttackResult`.

    Args:
        model: images in [0, 1] to logits, normalisation inside; judged in eval mode and set back afterwards.
        images: float32 in [0, 1], on the model's device.
        labels: the true classes.
        attack: a name in the catalog, such as `pgd`.
        norm: `linf`, `l2`, … as the attack knows it.
        epsilon: the radius on the [0, 1] scale; a string such as `"8/255"` is exact.
        ids: one name per image, to which its noise belongs; by default the position in the batch.
        seed: of the attack's noise.
        options: the attack's own, such as `steps`.

    Raises:
        UsageError: unknown attack, norm or option.
        EvaluationError: the model raised, or returned anything but finite logits.
    """
    if not catalog.holds("attacks", attack):
        raise UsageError(f"unknown attack {attack!r}; {catalog.did_you_mean(attack, catalog.names('attacks'))}")
    norms, known = catalog.attack_norms(attack), catalog.attack_options(attack)
    for name in options:
        if name not in known:
            hint = catalog.did_you_mean(name, list(known)) if known else "it has none"
            raise UsageError(f"unknown option {name!r} of attack {attack!r}; {hint}")
    if norm not in norms:
        raise UsageError(f"expected a norm that {attack} knows, got {norm!r}; known: {', '.join(norms)}")
    radius = _radius(norm, epsilon)
    _check_attackable(images, labels)
    attacked = Attacked(attack, ThreatModel(norm, radius), tuple(sorted(options.items())))
    keys = image_keys(_names(ids, len(images))).to(images.device)
    subject = Model("model", "", model)
    with evaluation_mode([subject], images.device):
        judged = Subject(subject, None, images.device, width=len(images))
        return attacking.attack(judged, images, labels, attacked, keys, seed)


def measure(metric: str, logits: Logits | np.ndarray, labels: Labels | np.ndarray, *, alpha: float = 0.05, **options: Any) -> Measurement:
    """A metric with its limits for the population that the images came from.

    Args:
        metric: a name in the catalog, such as `expected_calibration_error`.
        logits: `[images, classes]`, not probabilities.
        labels: `[images]`.
        alpha: each limit is wrong with probability at most (where bootstrapped: about) this.
        options: the metric's own, such as `bins`.

    Raises:
        UsageError: unknown metric or option, logits that are not finite or are probabilities, labels that do not fit them, fewer
            images than bins.
    """
    logits, labels = checked(logits, labels)
    if not len(labels):
        raise UsageError(f"expected at least one image to measure {metric} on, got none")
    known = catalog.signature("metrics", metric, metric, 1) if metric in catalog.names("metrics") else options
    for name in options:
        if name not in known:
            hint = catalog.did_you_mean(name, list(known)) if known else "it has none"
            raise UsageError(f"unknown option {name!r} of metric {metric!r}; {hint}")
    predictions = condense(logits, labels)
    if metric in catalog.names("metrics") and catalog.constant("metrics", metric, "NEEDS_LOGITS", False):
        predictions = replace(predictions, logits=logits.float().cpu().numpy())
    condition = Condition("given")
    outcome = Outcome("given", condition, np.arange(len(predictions)), predictions, len(predictions))
    check = Check(metric, metric, (condition,), metric_options=tuple(sorted(options.items())))
    verdict = judging.judge(check, "given", {condition: outcome}, Decision(target="population", alpha=alpha))
    if verdict.measurement is None:
        raise UsageError(verdict.reason)
    return verdict.measurement


def fit(recalibration: str, logits: Logits | np.ndarray, labels: Labels | np.ndarray) -> Recalibration:
    """A recalibration fitted on held-out logits `[images, classes]` and labels: callable on logits, with `.parameters`.

    What cannot be fitted, such as no images at all, leaves logits as they are and says so in `.note`. Raises `UsageError` for logits that
    are not finite or are probabilities, and for labels that do not fit them.
    """
    return catalog.find("recalibration", recalibration)(np.asarray(logits), np.asarray(labels))


def load_model(reference: str) -> Model:
    """A model by reference: `timm:NAME`, `torchvision:NAME`, `path/to/file.py:function`, `model.pt2`, `digits-robust`."""
    return loading.load_model(reference)


def load_dataset(name: str, root: str | Path | None = None) -> Dataset:
    """A data set of the catalog, opened and checked."""
    return catalog.find("datasets", name)(None if root is None else Path(root))


def load_suite(name_or_path: str) -> Suite:
    """A suite by name (your own `./suites` first, then the shipped ones) or path."""
    return suite_files.load(name_or_path)


def evaluate(
    suite: Suite | str,
    models: Mapping[str, Classifier] | Sequence[str] = (),
    data: Mapping[str, str | Path | Dataset] | None = None,
    *,
    device: str = "auto",
    batch_size: int | None = None,
    workers: int | None = None,
    amp: str = "off",
    seed: int = 0,
    shuffle: bool = False,
    keep: str = "predictions",
    baseline: str | Path | None = None,
    reports: str | Path | None = None,
    resume: str | Path | None = None,
    shard: tuple[int, int] = (1, 1),
    reuse: str | Path | None = None,
    unreadable: int = 0,
    timeout: float | None = None,
    explain: str = "none",
) -> ShownReport:
    """Judge models by a suite: what `pytest --suite` does, without pytest.

    Args:
        suite: a suite, its name or its path.
        models: references, or classifiers by alias; none for the suite's own model.
        data: folders (or data sets) by the suite's names for them.
        device: `auto`, `cpu`, `cuda` or `cuda:1`.
        batch_size: images at a time; `None` chooses.
        workers: decoding processes; `None` chooses.
        amp: `off`, `bf16` or `fp16`.
        seed: of every random draw.
        shuffle: show the images in a random order.
        keep: `predictions`, or every `logits` too, so that `judge` can ask the records more.
        baseline: the folder of an earlier run, for checks that say `no_worse_than_baseline`.
        reports: a folder to write the run into; by default nothing is kept.
        resume: the folder of a run that was killed, to be taken up where it stopped; instead of `reports`.
        shard: which part of the judged images to show, and of how many; `robustsuite merge` judges all parts.
        unreadable: so many images of a data set may be left out, named in the report, where they cannot be read; more are an error.
        timeout: seconds that a model may take for a batch; what hangs is an error of that model's checks.
        explain: `eigen-cam`, `grad-cam` or `hires-cam`: the report's pictures tell what the model looked at. Needs the extra `explain`.

        reuse: a run, or a folder of runs, from which what is the same is taken over instead of being shown again.

    Raises:
        UsageError: anything the user can mend. What cannot be evaluated becomes a verdict `error` instead.
    """
    suite = suite_files.load(suite) if isinstance(suite, str) else suite
    if explain != "none":
        explaining.require(explain)
    if isinstance(models, Mapping):
        judged = [Model(alias, "given", classifier, getattr(classifier, "preprocessing", None)) for alias, classifier in models.items()]
    else:
        references = loading.aliases(models) or loading.aliases([suite.model] if suite.model else [])
        judged = [loading.load_model(reference, alias) for alias, reference in references.items()]
    if not judged:
        raise UsageError(f"suite {suite.name!r} names no model of its own; give models")
    given = {name: found for name, found in (data or {}).items() if isinstance(found, Dataset)}
    folders = {name: Path(found) for name, found in (data or {}).items() if not isinstance(found, Dataset)}
    datasets = given | loading.load_datasets(suite, folders, without=given)
    settings = Settings(device, batch_size, workers, amp, seed, shuffle, keep, shard, unreadable, timeout, explain)  # pyright: ignore[reportArgumentType]
    with TemporaryDirectory() as temporary:
        aliases = [model.alias for model in judged]
        folder = Path(resume) if resume else folder_for(Path(reports or temporary), suite.name, aliases)
        earlier = None if baseline is None else Path(baseline)
        selected = dict.fromkeys(aliases, suite.checks)
        known = () if reuse is None else (Path(reuse),)
        run = Run(suite, selected, judged, datasets, settings, folder, baseline=earlier, resume=bool(resume), reuse=known)
        while run.advance():
            pass
        del run  # and its records: the report is made from those on disk
        report = assembling.assemble(folder)
        page = write(report, folder) if reports is not None or resume is not None else None
    return shown(report, page)


def judge(run: str | Path, suite: Suite | str, data: Mapping[str, str] | None = None, *, reports: str | Path | None = None) -> ShownReport:
    """Judge a stored run by a suite, from its records alone: no model, no images.

    Args:
        run: the folder of an earlier run; of one made with `keep="logits"` most can be asked.
        suite: a suite, its name or its path.
        data: the run's names of data sets by the suite's, where they differ.
        reports: a folder to write the new run into; by default nothing is kept.

    Raises:
        UsageError: no readable run, or images that were prepared otherwise. What the run did not keep becomes a verdict `error`.
    """
    suite = suite_files.load(suite) if isinstance(suite, str) else suite
    with TemporaryDirectory() as temporary:
        folder = folder_for(Path(reports or temporary), suite.name, aliases_in(Path(run)))
        rejudge(Path(run), suite, folder, data)
        report = assembling.assemble(folder)
        page = write(report, folder) if reports is not None else None
    return shown(report, page)


def compare(
    candidate: str | Path | Sequence[str | Path], baseline: str | Path | None = None, *, reports: str | Path | None = None
) -> Comparison:
    """What the models of stored runs do otherwise than a baseline's, image by image, from the records alone.

    Args:
        candidate: the folder of a run, or of each of several.
        baseline: the folder of the run that they are held against; by default the first of several, or the first model of the only one.
        reports: a folder to write an HTML page into; by default nothing is written.

    Raises:
        UsageError: no readable run, models that cannot be matched, or runs that were not measured in the same way.
    """
    several = [candidate] if isinstance(candidate, str | Path) else list(candidate)
    found = comparing.compare([Path(folder) for folder in [*([] if baseline is None else [baseline]), *several]])
    if reports is not None:
        comparing.write(found, Path(reports))
    return found


def read_report(path: str | Path) -> ShownReport:
    """A report from its `results.json`, or from the folder that holds it."""
    path = Path(path)
    return shown(read(path), (path if path.is_dir() else path.parent) / "report.html")


def _names(ids: Sequence[str] | None, count: int) -> Sequence[str]:
    if ids is None:
        return [str(place) for place in range(count)]
    if len(ids) != count:
        raise UsageError(f"expected one id for each of {count} images, got {len(ids)}")
    return ids


def _radius(norm: Norm, epsilon: float | str | Fraction) -> Fraction:
    """The exact radius. Raises `UsageError` for one that cannot be meant."""
    try:
        radius = Fraction(epsilon)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise UsageError(f'expected epsilon as a number on the [0, 1] scale such as "8/255" or 0.5, got {epsilon!r}') from None
    if radius < 0:
        raise UsageError(f"expected epsilon of at least 0, got {epsilon}")
    if norm == "linf" and radius > 1:
        raise UsageError(f'expected an L-infinity radius on the [0, 1] scale, got {epsilon}; write "{epsilon}/255" for levels')
    return radius


def _check_shape(images: Images | Levels, least: int) -> None:
    """Raises `UsageError` for anything but at least so many RGB images of at least one pixel."""
    if images.ndim != 4 or images.shape[1] != 3 or not images.shape[2] * images.shape[3] or len(images) < least:
        raise UsageError(f"expected RGB images [batch, 3, height, width], got a tensor {list(images.shape)}")


def _check_attackable(images: Images, labels: Labels) -> None:
    _check_shape(images, least=0)
    outside = ~((images >= 0) & (images <= 1))  # NaN too
    if bool(outside.any()):
        place = int(outside.flatten(1).any(dim=1).int().argmax())
        value = float(images[place][outside[place]][0])
        raise UsageError(
            f"expected images in [0, 1], got {value:g} in image {place}; leave normalisation to the model, and divide levels by 255"
        )
    if len(labels) != len(images) or bool((labels < 0).any()):
        raise UsageError(f"expected one label of at least 0 for each of {len(images)} images, got {labels.tolist()[:5]}")


def _levels(images: Images | Levels) -> Levels:
    """Images of either kind as levels. Raises `UsageError` for anything else."""
    _check_shape(images, least=1)
    if images.dtype == torch.uint8:
        return images
    if not images.is_floating_point():
        raise UsageError(f"expected images as uint8 levels or floats in [0, 1], got {images.dtype}")
    low, high = (float(limit) for limit in images.detach().aminmax())
    if not (low >= 0 and high <= 1):  # false for NaN too
        raise UsageError(f"expected float images in [0, 1], got values from {low:g} to {high:g}; divide levels by 255")
    return images.detach().mul(255).round_().to(torch.uint8)

"""A report as a real run of a small suite would leave it, for the tests of everything that reads reports."""

from fractions import Fraction
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw

from robustsuite.records import (
    Attacked,
    Calibration,
    ClassResult,
    Condition,
    ConditionResult,
    Confusion,
    Corrupted,
    Decision,
    Difference,
    Example,
    Flip,
    Measurement,
    ReliabilityBin,
    Report,
    ThreatModel,
    Verdict,
)

CORRUPTIONS = {"gaussian_noise": 0.06, "defocus_blur": 0.045, "brightness": 0.006, "contrast": 0.085}
"""What one severity costs the standard model in accuracy."""

LINF = ("2/255", "4/255", "8/255", "16/255")
L2 = ("1/4", "1/2", "1", "2")
MODELS = ("digits-robust", "digits-standard")
IMAGES = 600


def example_report() -> Report:
    """Two models on digits: one passes everything; the other fails, errs and stays undecided."""
    return Report(
        suite="digits",
        title="Handwritten digits, ready for the sorting line",
        higher_is_better={
            "accuracy": True,
            "negative_log_likelihood": False,
            "brier_score": False,
            "expected_calibration_error": False,
        },
        description="Whether a digit reader may go on the sorting line: dim light, blur, noise, and small deliberate changes.",
        models=MODELS,
        verdicts=(*_robust_verdicts(), *_standard_verdicts()),
        results=tuple(result for model in MODELS for result in _results(model)),
        calibrations=tuple(_calibration(model) for model in MODELS),
        classes=tuple(one for model in MODELS for one in _classes(model)),
        confusions=tuple(one for model in MODELS for one in _confusions(model)),
        differences=_differences(),
        baseline_results=_baseline_results(),
        flips=_flips(),
        examples=_examples(),
        provenance={
            "robustsuite": "0.1.0",
            "suite_file": "suites/digits.toml",
            "started": "2025-11-21 06:44 UTC",
            "duration": "41 s",
            "device": "cpu, 2 cores",
            "seed": 0,
            "versions": {"python": "3.11.7", "torch": "2.6.0", "torchvision": "0.21.0", "numpy": "1.26.4"},
            "models": {"digits-robust": "digits:robust, sha256 6f1c09aa", "digits-standard": "digits:standard, sha256 b17e4f20"},
            "data": {"digits": "scikit-learn, 600 judged images, 297 for calibration"},
            "not selected": ["pgd-l1", "snow-worst"],
        },
        notes=("blur-worst on digits-standard could not be measured: image digit-1204 gave logits that are not finite.",),
        decision=Decision("population", 0.05, "hold"),
    )


def many_conditions(models: int = 5, corruptions: int = 19, pictures: int = 0) -> Report:
    """A report as large as the largest suite: 95 corrupted conditions on every model, one check for each, and its difference from a baseline.

    With `pictures`, so many photos are shown as they are and under every corruption; every model answers to each.
    """
    names = [f"model-{number}" for number in range(models)]
    conditions = [
        Condition("imagenet", Corrupted(f"corruption_{number}", severity)) for number in range(corruptions) for severity in range(1, 6)
    ]
    results, verdicts, differences, classes, confusions = [], [], [], [], []
    for place, model in enumerate(names):
        results.append(ConditionResult(model, Condition("imagenet"), 50_000, _metrics(0.8)))
        for number, condition in enumerate(conditions):
            value = 0.78 - 0.0051 * number - 0.02 * place
            results.append(ConditionResult(model, condition, 50_000, _metrics(value)))
            check = f"{condition} stays above a third"
            verdicts.append(_verdict(check, model, "accuracy", value, 1 / 3, samples=50_000))
            change = 0.01 - 0.0002 * number
            limits = change - 0.004, change + 0.004
            differences.append(Difference(check, "accuracy", model, "v1", value, value - change, change, *limits, 50_000, 900, 400))
        classes += [ClassResult(model, "imagenet", f"n0{number}", 50, 20 + number, 48) for number in range(10)]
        confusions += [Confusion(model, "imagenet", f"n0{number}", f"n1{number}", 20 - number) for number in range(10)]
    return Report(
        "imagenet-c",
        "ImageNet-C",
        tuple(names),
        tuple(verdicts),
        tuple(results),
        classes=tuple(classes),
        confusions=tuple(confusions),
        differences=tuple(differences),
        examples=tuple(one for number in range(pictures) for one in _photo_examples(number, names, corruptions)),
        decision=Decision("population"),
        higher_is_better={"accuracy": True},
    )


def _photo_examples(number: int, models: list[str], corruptions: int) -> list[Example]:
    """A made-up photo, clean and under noise of every strength, as thumbnails as large as a run keeps them."""
    draw = np.random.default_rng(number)
    coarse = Image.fromarray(draw.integers(0, 256, (14, 14, 3), dtype=np.uint8)).resize((112, 112), Image.Resampling.BICUBIC)
    photo = np.asarray(coarse) + draw.normal(0, 6, (112, 112, 3))
    answer = []
    for place in range(corruptions + 1):
        file = BytesIO()
        noisy = np.clip(photo + draw.normal(0, 2 * place, photo.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(file, "JPEG", quality=80)
        shown = f"corruption_{place - 1}-3" if place else "clean"
        for model in models:
            said = "n00" if place < 12 else "n01"
            answer.append(
                Example("imagenet", f"val/{number:08}.JPEG", "n00", model, shown, said, 0.9 - 0.02 * place, said == "n00", file.getvalue())
            )
    return answer


def _metrics(accuracy: float) -> dict[str, float]:
    error = 0.012 + 0.3 * (1 - accuracy) ** 2
    return {
        "accuracy": accuracy,
        "negative_log_likelihood": 3.1 * (1 - accuracy) + 0.021,
        "brier_score": 1.3 * (1 - accuracy) + 0.004,
        "expected_calibration_error": error,
    }


def _accuracy(model: str, condition: Condition) -> float:
    robust = model == "digits-robust"
    match condition.perturbation:
        case Corrupted(corruption, severity):
            return round((0.9633 if robust else 0.9733) - CORRUPTIONS[corruption] * severity**1.3 * (0.35 if robust else 1), 4)
        case Attacked(_, threat, _):
            reach = float(threat.epsilon) * (255 / 16 if threat.norm == "linf" else 0.5)
            return round(0.9633 * (1 - 0.32 * reach**1.2) if robust else 0.9733 * max(0.0, 1 - 1.35 * reach**0.7), 4)
    return 0.9633 if robust else 0.9733


def _results(model: str) -> list[ConditionResult]:
    conditions = [
        Condition("digits"),
        *(Condition("digits", Corrupted(name, severity)) for name in CORRUPTIONS for severity in range(1, 6)),
        *(Condition("digits", Attacked("pgd", ThreatModel("linf", Fraction(radius)), (("steps", 20),))) for radius in LINF),
        *(Condition("digits", Attacked("pgd", ThreatModel("l2", Fraction(radius)), (("steps", 20),))) for radius in L2),
    ]
    answer = []
    for condition in conditions:
        metrics = _metrics(_accuracy(model, condition))
        if isinstance(condition.perturbation, Attacked):
            metrics["median_distance"] = 0.8 * float(condition.perturbation.threat.epsilon)
        if model == "digits-standard" and condition.perturbation == Corrupted("defocus_blur", 5):
            answer.append(ConditionResult(model, condition, IMAGES, error="logits of image digit-1204 are not finite"))
        else:
            answer.append(ConditionResult(model, condition, IMAGES, metrics))
    return answer


def _verdict(check: str, model: str, metric: str, value: float, threshold: float, gate: str = "", samples: int = IMAGES) -> Verdict:
    higher = metric == "accuracy"
    half = 0.011 if higher else 0.006
    low, high = max(value - half, 0.0), min(value + half, 1.0)
    if (low >= threshold) if higher else (high <= threshold):
        status, reason = "passed", "the whole interval satisfies the gate"
    elif (high < threshold) if higher else (low > threshold):
        status, reason = "failed", f"{metric} {value:.4f} is {'below' if higher else 'above'} {threshold:.4f}, and so is its whole interval"
    else:
        status, reason = "inconclusive", f"the interval holds {threshold:.4f}; about four times as many images would decide"
    gate = gate or f"{'≥' if higher else '≤'} {threshold:g}"
    return Verdict(check, model, status, reason, Measurement(metric, value, low, high, samples), gate, threshold)


def _robust_verdicts() -> list[Verdict]:
    model = "digits-robust"
    return [
        _verdict("clean", model, "accuracy", 0.9633, 0.95),
        _verdict("noise-mean", model, "accuracy", 0.8933, 0.8),
        _verdict("blur-worst", model, "accuracy", 0.8357, 0.75),
        _verdict("brightness-mean", model, "accuracy", 0.9557, 0.92),
        _verdict("contrast-worst", model, "accuracy", 0.722, 0.7),
        _verdict("weather-drop", model, "accuracy", 0.9311, 0.9133, "≥ digits/clean -0.05"),
        _verdict("pgd-linf-8", model, "accuracy", 0.8291, 0.7),
        _verdict("pgd-l2-half", model, "accuracy", 0.905, 0.8),
        _verdict("clean-calibration", model, "expected_calibration_error", 0.0124, 0.03),
        _verdict("recalibrated", model, "expected_calibration_error", 0.0091, 0.02),
        _verdict("sharpness", model, "brier_score", 0.0517, 0.08),
        Verdict("likelihood", model, "passed", "", Measurement("negative_log_likelihood", 0.1348, 0.11, 0.16, IMAGES)),
    ]


def _standard_verdicts() -> list[Verdict]:
    model = "digits-standard"
    return [
        _verdict("clean", model, "accuracy", 0.9733, 0.95),
        _verdict("noise-mean", model, "accuracy", 0.7936, 0.8),
        Verdict(
            "blur-worst",
            model,
            "error",
            "digits/defocus_blur-5: logits of image digit-1204 are not finite",
            gate="≥ 0.75",
            threshold=0.75,
            metric="accuracy",
        ),
        _verdict("brightness-mean", model, "accuracy", 0.9469, 0.92),
        _verdict("contrast-worst", model, "accuracy", _accuracy(model, Condition("digits", Corrupted("contrast", 5))), 0.7),
        _verdict("weather-drop", model, "accuracy", 0.9411, 0.9233, "≥ digits/clean -0.05"),
        _verdict("pgd-linf-8", model, "accuracy", 0.1645, 0.7),
        _verdict("pgd-l2-half", model, "accuracy", 0.4754, 0.8),
        _verdict("clean-calibration", model, "expected_calibration_error", 0.0118, 0.03),
        _verdict("recalibrated", model, "expected_calibration_error", 0.0083, 0.02),
        _verdict("sharpness", model, "brier_score", 0.0387, 0.08),
        Verdict("likelihood", model, "passed", "", Measurement("negative_log_likelihood", 0.1038, 0.08, 0.13, IMAGES)),
    ]


def _calibration(model: str) -> Calibration:
    robust = model == "digits-robust"
    counts = [0, 0, 0, 2, 3, 5, 6, 9, 11, 14, 18, 26, 41, 77, 388]
    slant = 0.09 if robust else 0.22
    before, after = [], []
    for place, count in enumerate(counts):
        confidence = (place + 0.55) / 15
        wobble = 0.03 * ((place * 7) % 5 - 2) / 2
        accuracy = confidence - slant * (1 - confidence) * 2 + wobble
        if count:
            before.append(ReliabilityBin(confidence, max(accuracy, 0.0), count))
            after.append(ReliabilityBin(confidence, min(max(confidence + wobble / 2, 0.0), 1.0), count))
    return Calibration(
        model,
        "digits",
        "temperature",
        {"temperature": 1.31 if robust else 1.87},
        297,
        {"accuracy": 0.9633, "negative_log_likelihood": 0.1348, "brier_score": 0.0517, "expected_calibration_error": 0.0214},
        {"accuracy": 0.9633, "negative_log_likelihood": 0.1211, "brier_score": 0.0509, "expected_calibration_error": 0.0091},
        tuple(before),
        tuple(after),
    )


BASELINE = "digits-2025-10"


def _differences() -> tuple[Difference, ...]:
    """The standard model against last month's: worse under noise, better on clean images, undecided in brightness."""
    model = "digits-standard"
    return (
        Difference("clean", "accuracy", model, BASELINE, 0.9733, 0.9583, 0.015, 0.0041, 0.0259, IMAGES, 11, 2),
        Difference("noise-mean", "accuracy", model, BASELINE, 0.7936, 0.8211, -0.0275, -0.0391, -0.0159, IMAGES, 31, 114),
        Difference("blur-worst", "accuracy", model, BASELINE, reason="digits/defocus_blur-5 was not measured"),
        Difference("brightness-mean", "accuracy", model, BASELINE, 0.9469, 0.9455, 0.0014, -0.0062, 0.009, IMAGES, 21, 17),
        Difference("clean-calibration", "expected_calibration_error", model, BASELINE, 0.0118, 0.0094, 0.0024, -0.003, 0.0078, IMAGES),
        Difference("sharpness", "brier_score", model, BASELINE, 0.0387, 0.0571, -0.0184, -0.0266, -0.0102, IMAGES),
    )


def _baseline_results() -> tuple[ConditionResult, ...]:
    """What the standard model of last month got: 1.5 points less on clean images, 2.8 more under noise, the same otherwise; no blur."""
    model, before = "digits-standard", {None: -0.015, "gaussian_noise": 0.028}
    answer = []
    for condition in dict.fromkeys(result.condition for result in _results(model)):
        corruption = getattr(condition.perturbation, "corruption", None)
        if corruption != "defocus_blur" and not isinstance(condition.perturbation, Attacked):
            value = _accuracy(model, condition) + before.get(corruption, 0.0)
            answer.append(ConditionResult(model, condition, IMAGES, {"accuracy": value}))
    return tuple(answer)


def _flips() -> tuple[Flip, ...]:
    noise = Condition("digits", Corrupted("gaussian_noise", 3))
    return (
        Flip("digits-standard", BASELINE, Condition("digits"), "digit-0311", "5", "5", "6"),
        Flip("digits-standard", BASELINE, noise, "digit-0912", "3", "8", "3"),
        Flip("digits-standard", BASELINE, noise, "digit-1043", "7", "1", "7"),
    )


def _classes(model: str) -> list[ClassResult]:
    """Of 60 images each, as many right as the clean accuracy asks for: 578 with one model, 584 with the other; all calls add up to 600."""
    wrong = {"digits-robust": (6, 4, 4, 3, 2, 1, 1, 1, 0, 0), "digits-standard": (5, 4, 2, 2, 1, 1, 1, 0, 0, 0)}[model]
    return [
        ClassResult(model, "digits", str(digit), 60, 60 - errors, 60 - errors + taken)
        for digit, errors, taken in zip((8, 9, 3, 5, 1, 4, 7, 2, 0, 6), wrong, reversed(wrong), strict=True)
    ]


def _confusions(model: str) -> list[Confusion]:
    counts = (4, 3, 2) if model == "digits-robust" else (3, 3, 1)
    return [Confusion(model, "digits", *pair, images) for pair, images in zip((("8", "1"), ("9", "3"), ("3", "8")), counts, strict=True)]


def _picture(digit: int, strength: float, seed: int) -> bytes:
    """A 32 x 32 PNG of a digit under noise."""
    image = Image.new("RGB", (32, 32), "black")
    ImageDraw.Draw(image).text((9, 1), str(digit), fill="white", font_size=26)
    noise = np.random.default_rng(seed).normal(0, strength, (32, 32, 3))
    pixels = np.clip(np.asarray(image) / 255 + noise, 0, 1)
    file = BytesIO()
    Image.fromarray((pixels * 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def _looked(place: int) -> bytes:
    """Where a model looked: a bright spot in one quarter of the picture."""
    heat = np.zeros((8, 8), np.uint8)
    heat[2:6, 1 + 3 * place : 4 + 3 * place] = 240
    file = BytesIO()
    Image.fromarray(heat).save(file, "PNG")
    return file.getvalue()


def _examples() -> tuple[Example, ...]:
    answer = []
    for digit, image, other in ((3, "digit-0912", 8), (7, "digit-1043", 1), (4, "digit-1377", 9)):
        shared = (("clean", 0.0, 0), ("gaussian_noise-3", 0.18, 1), ("contrast-4", 0.05, 2))
        for perturbation, strength, seed in shared:
            for place, model in enumerate(MODELS):
                wrong = model == "digits-standard" and perturbation == "contrast-4"
                heat = _looked(place) if image == "digit-0912" else b""
                said, confidence = (other, 0.6127) if wrong else (digit, 0.9812 - strength)
                picture = _picture(digit, strength, seed)
                answer.append(
                    Example("digits", image, str(digit), model, perturbation, str(said), confidence, said == digit, picture, heat)
                )
        for place, model in enumerate(MODELS):
            wrong = model == "digits-standard"
            said, confidence = (other, 0.9994) if wrong else (digit, 0.7441)
            picture = _picture(digit, 0.035, 10 + place)
            answer.append(
                Example("digits", image, str(digit), model, "pgd linf 8/255 steps=20", str(said), confidence, said == digit, picture)
            )
    return tuple(answer)

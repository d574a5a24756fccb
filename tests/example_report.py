"""A report as a real run of a small suite would leave it, for the tests of everything that reads reports."""

from fractions import Fraction
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw

from robustsuite.records import (
    Attacked,
    Calibration,
    Condition,
    ConditionResult,
    Corrupted,
    Decision,
    Example,
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
        },
        notes=("blur-worst on digits-standard could not be measured: image digit-1204 gave logits that are not finite.",),
        decision=Decision("population", 0.05, "hold"),
    )


def many_conditions(models: int = 5, corruptions: int = 19) -> Report:
    """A report as large as the largest suite: 95 corrupted conditions on five models, one check for each, no pictures."""
    names = [f"model-{number}" for number in range(models)]
    conditions = [
        Condition("imagenet", Corrupted(f"corruption_{number}", severity)) for number in range(corruptions) for severity in range(1, 6)
    ]
    results, verdicts = [], []
    for place, model in enumerate(names):
        results.append(ConditionResult(model, Condition("imagenet"), 50_000, _metrics(0.8)))
        for number, condition in enumerate(conditions):
            value = 0.78 - 0.0051 * number - 0.02 * place
            results.append(ConditionResult(model, condition, 50_000, _metrics(value)))
            verdicts.append(_verdict(f"{condition} stays above a third", model, "accuracy", value, 1 / 3, samples=50_000))
    return Report("imagenet-c", "ImageNet-C", tuple(names), tuple(verdicts), tuple(results), decision=Decision("population"))


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


def _picture(digit: int, strength: float, seed: int) -> bytes:
    """A 32 x 32 PNG of a digit under noise."""
    image = Image.new("RGB", (32, 32), "black")
    ImageDraw.Draw(image).text((9, 1), str(digit), fill="white", font_size=26)
    noise = np.random.default_rng(seed).normal(0, strength, (32, 32, 3))
    pixels = np.clip(np.asarray(image) / 255 + noise, 0, 1)
    file = BytesIO()
    Image.fromarray((pixels * 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def _examples() -> tuple[Example, ...]:
    answer = []
    for digit, image, other in ((3, "digit-0912", 8), (7, "digit-1043", 1), (4, "digit-1377", 9)):
        shared = (("clean", 0.0, 0), ("gaussian_noise-3", 0.18, 1), ("contrast-4", 0.05, 2))
        for perturbation, strength, seed in shared:
            for model in MODELS:
                wrong = model == "digits-standard" and perturbation == "contrast-4"
                said, confidence = (other, 0.6127) if wrong else (digit, 0.9812 - strength)
                picture = _picture(digit, strength, seed)
                answer.append(Example("digits", image, str(digit), model, perturbation, str(said), confidence, said == digit, picture))
        for place, model in enumerate(MODELS):
            wrong = model == "digits-standard"
            said, confidence = (other, 0.9994) if wrong else (digit, 0.7441)
            picture = _picture(digit, 0.035, 10 + place)
            answer.append(
                Example("digits", image, str(digit), model, "pgd linf 8/255 steps=20", str(said), confidence, said == digit, picture)
            )
    return tuple(answer)

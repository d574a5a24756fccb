import pickle
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from robustsuite.datasets.digits import digits, split, training_images
from robustsuite.errors import UsageError


def test_the_split_is_fixed() -> None:
    text = "\n".join(f"{part} {' '.join(map(str, positions))}" for part, positions in split().items())
    assert sha256(text.encode()).hexdigest() == "c6dc7032763032b1af4ccfbecb2097e72d035b1aefbdbe93d8815d58a19297bf"


def test_every_scan_is_in_exactly_one_part() -> None:
    parts = split()
    assert {part: len(positions) for part, positions in parts.items()} == {"train": 900, "calibration": 297, "test": 600}
    assert sorted(position for positions in parts.values() for position in positions) == list(range(1797))


def test_no_image_is_in_two_parts() -> None:
    dataset = digits()
    calibration = set(dataset.calibration)
    shown = [np.asarray(dataset.read(index)).tobytes() for index in range(len(dataset.ids))]
    parts = (
        {np.ascontiguousarray(image.transpose(1, 2, 0)).tobytes() for image in training_images()[0]},
        {pixels for index, pixels in enumerate(shown) if index in calibration},
        {pixels for index, pixels in enumerate(shown) if index not in calibration},
    )
    assert [len(part) for part in parts] == [900, 297, 600]
    assert all(one.isdisjoint(other) for one, other in combinations(parts, 2))


def test_every_digit_is_judged() -> None:
    dataset = digits()
    judged = np.setdiff1d(np.arange(len(dataset.ids)), dataset.calibration)
    assert np.bincount(dataset.labels[judged], minlength=10).min() >= 45


def test_ids_labels_and_calibration_agree_with_the_split() -> None:
    from sklearn.datasets import load_digits

    dataset, target = digits(), load_digits().target
    positions = [int(name.removeprefix("digit-")) for name in dataset.ids]
    assert positions == sorted(split()["calibration"] + split()["test"])
    assert [positions[index] for index in dataset.calibration] == list(split()["calibration"])
    assert dataset.labels.dtype == np.int64
    assert np.array_equal(dataset.labels, target[positions])
    assert np.array_equal(training_images()[1], target[list(split()["train"])])


def test_an_image_is_32_by_32_rgb() -> None:
    image = digits().read(0)
    assert (image.mode, image.size) == ("RGB", (32, 32))
    assert training_images()[0].shape == (900, 3, 32, 32)
    assert training_images()[0].dtype == np.uint8


def test_an_image_is_its_scan_enlarged() -> None:
    from sklearn.datasets import load_digits

    dataset, scans = digits(), load_digits().images
    for index in range(0, len(dataset.ids), 100):
        scan = scans[int(dataset.ids[index].removeprefix("digit-"))] / 16
        blocks = np.asarray(dataset.read(index)).astype(float).reshape(8, 4, 8, 4, 3).mean((1, 3)) / 255
        assert np.corrcoef(scan.ravel(), blocks[..., 0].ravel())[0, 1] > 0.98
        assert np.ptp(blocks, axis=-1).max() == 0


def test_a_copy_in_another_process_reads_the_same_image() -> None:
    dataset = digits()
    assert pickle.loads(pickle.dumps(dataset.read))(5).tobytes() == dataset.read(5).tobytes()


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected no folder, got"):
        digits(tmp_path)

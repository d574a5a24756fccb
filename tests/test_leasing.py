"""Batches given out in any order, to anybody, come in as one process shows them."""

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from test_resuming import CLEAR, PLAIN, POPULATION, UNDECIDED
from test_stopping import Blind
from test_uncertainty_in_a_suite import Linear
from torch import nn
from toy import Toy

from robustsuite import assembling, leasing, loading, suite_files
from robustsuite.classifying import evaluation_mode
from robustsuite.evaluation import Done, Evaluation, Lease
from robustsuite.predictions import Block
from robustsuite.records import Model, Report, Settings
from robustsuite.running import Run

CURVE = """
schema = 1
title = "curve"
[decision]
stop = "decided"
[data.images]
dataset = "image_folder"
[[check]]
name = "clean"
at_least = 0.3
[[check]]
name = "near"
attack = "ddn"
norm = "l2"
epsilon = 0.01
at_least = 0.01
options = {steps = 3}
[[check]]
name = "far"
attack = "ddn"
norm = "l2"
epsilon = 0.3
at_most = 0.8
options = {steps = 3}
"""


class Moody(nn.Module):
    """Breaks when it is shown images that are bright enough, so that some batches fail and others do not."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if bool((images.mean(dim=(1, 2, 3)) > 0.34).any()):
            raise ValueError("too bright")
        return Linear()(images)


class Anyone:
    """A pool without Ray: each batch is shown by one of two showers, in any order, some of them before they are asked for."""

    size = 3

    def __init__(self, cluster: leasing.Cluster, errand: leasing.Errand):
        self.errand, self.open, self.showers = errand, ExitStack(), []
        self.leases: dict[int, Lease] = {}
        self.chance, self.given, self.shown = random.Random(cluster.actors), 0, 0

    def begin(self) -> list[Block]:
        given, blocks = self.errand, []
        datasets = loading.load_datasets(given.suite, given.folders)
        models = [Model(alias, "given", MODELS[reference]) for alias, reference in given.references.items()]
        notes = self.open.enter_context(evaluation_mode(models, torch.device("cpu")))
        for _ in range(2):
            common = given.shares, given.settings, given.preprocessing, given.pictured
            shower = Evaluation(given.plan, models, datasets, *common, frozenset(), Done(), torch.device("cpu"))
            blocks = [Block("", 0, notes=tuple(notes))]
            for name in given.plan.calibrated:
                blocks += shower.calibrate(name)
            self.showers.append(shower)
        return blocks

    def give(self, lease: Lease) -> int:
        self.given += 1
        self.leases[self.given] = lease
        return self.given

    def forget(self, ticket: int) -> None:
        del self.leases[ticket]

    def take(self, ticket: int) -> Block:
        for other in self.chance.sample(sorted(self.leases), len(self.leases) // 2):
            self.chance.choice(self.showers).show(self.leases[other])  # what others are shown must not matter
        self.shown += 1
        return self.chance.choice(self.showers).show(self.leases.pop(ticket))

    def close(self) -> None:
        self.open.close()


MODELS = {"linear": Linear(), "blind": Blind(), "moody": Moody()}


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path, per_class=16)


def made(toy: Toy, text: str, reference: str, folder: str, cluster: leasing.Cluster | None, batch: int = 4, stop: int = -1) -> Path:
    suite, target = suite_files.load(str(toy.write_suite("leased", text))), toy.folder / folder
    datasets = loading.load_datasets(suite, {"images": toy.images})
    settings = Settings(device="cpu", batch_size=batch, workers=0)
    models, resume = [Model("m", reference, MODELS[reference])], target.exists()
    folders = {"images": toy.images}
    run = Run(suite, {"m": suite.checks}, models, datasets, settings, target, resume=resume, cluster=cluster, folders=folders)
    while stop and run.advance():
        stop -= 1
    run.close()
    return target


def blocks(folder: Path) -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in sorted(folder.glob("blocks-*/*.safetensors"))]


def told(folder: Path) -> Report:
    return assembling.assemble(folder)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("text", "reference"),
    [(PLAIN, "linear"), (CLEAR, "blind"), (UNDECIDED, "blind"), (POPULATION, "blind"), (CURVE, "linear"), (PLAIN, "moody")],
    ids=["plain", "clear", "undecided", "population", "one attack at two radii", "a model that breaks"],
)
def test_batches_shown_in_any_order_make_the_same_bytes(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, text: str, reference: str, seed: int
) -> None:
    monkeypatch.setattr(leasing, "_Pool", Anyone)
    ours, theirs = made(toy, text, reference, "ours", leasing.Cluster(actors=seed)), made(toy, text, reference, "theirs", None)
    assert blocks(ours) == blocks(theirs)
    assert (told(ours).verdicts, told(ours).notes) == (told(theirs).verdicts, told(theirs).notes)


def test_a_driver_that_was_killed_goes_on(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leasing, "_Pool", Anyone)
    whole = made(toy, UNDECIDED, "blind", "whole", None)
    for stop in (3, 9):
        made(toy, UNDECIDED, "blind", "ours", leasing.Cluster(actors=1), stop=stop)
    assert blocks(made(toy, UNDECIDED, "blind", "ours", leasing.Cluster(actors=1))) == blocks(whole)


def test_a_batch_that_kills_every_actor_is_an_error_that_says_so(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    class Deadly(Anyone):
        def take(self, ticket: int) -> Block:
            if self.shown == 1:
                raise leasing.Died("3 actors died when they were shown the same 4 images")
            return super().take(ticket)

    monkeypatch.setattr(leasing, "_Pool", Deadly)
    report = told(made(toy, PLAIN, "linear", "ours", leasing.Cluster(actors=1), batch=1))
    assert {verdict.status for verdict in report.verdicts} == {"error"}
    assert "3 actors died" in report.verdicts[0].reason


# ------------------------------------------------------------------------------------------------------------- with Ray


@pytest.fixture
def two_nodes() -> Iterator[object]:
    pytest.importorskip("ray", reason="Ray is not installed (extra ray)")
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=2)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_actors_nodes_and_drivers_that_die_change_nothing(toy: Toy, two_nodes: object, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil
    import ray

    suite = toy.write_suite("leased", PLAIN)
    reference = toy.reference()
    loaded = suite_files.load(str(suite))
    datasets, folders = loading.load_datasets(loaded, {"images": toy.images}), {"images": toy.images}
    settings = Settings(device="cpu", batch_size=1, workers=0)

    def run(folder: str, cluster: leasing.Cluster | None, hurt: dict[int, object] | None = None, stop: int = -1) -> list[tuple[str, bytes]]:
        target = toy.folder / folder
        models = [loading.load_model(reference, "m")]
        again = target.exists()
        one = Run(loaded, {"m": loaded.checks}, models, datasets, settings, target, resume=again, cluster=cluster, folders=folders)
        while stop and one.advance():
            stop -= 1
            if hurt and one.writer.written in hurt:
                hurt.pop(one.writer.written)()
        one.close()
        return blocks(target)

    whole = run("whole", None)
    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    ray.init(address=two_nodes.address, log_to_driver=False)

    def actors() -> list[psutil.Process]:
        return [one for one in psutil.process_iter(["cmdline"]) if "ray::Shower" in " ".join(one.info["cmdline"] or ())]

    def kill_an_actor() -> None:
        actors()[0].kill()

    def slow_a_node_down() -> None:
        asleep = actors()[0]
        asleep.suspend()
        threading.Timer(3, asleep.resume).start()

    def kill_a_node() -> None:
        two_nodes.remove_node(next(iter(two_nodes.worker_nodes)))

    assert run("one", leasing.Cluster(actors=1)) == whole
    assert run("two", leasing.Cluster(actors=2)) == whole
    assert run("slow", leasing.Cluster(actors=2), {6: slow_a_node_down}) == whole
    assert run("killed", leasing.Cluster(actors=2), {6: kill_an_actor, 14: kill_an_actor}) == whole
    run("driver", leasing.Cluster(actors=2), stop=7)
    assert run("driver", leasing.Cluster(actors=2)) == whole
    assert run("node", leasing.Cluster(actors=2), {6: kill_a_node}) == whole

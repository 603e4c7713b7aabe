"""One process, a local Ray and three Ray nodes give the same bytes, also when a node dies; `make test-ray`."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from cluster import Cluster, parent_of, started
from shop import SLUG, Shop, make_shop

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: `make test-ray` installs and tries it"),
]

EXPERIMENT = """
minutes = 5
[split]
n_folds = 3
[models.linear]
epochs = 15
[models.lightgbm]
rounds = 40
[models.catboost]
rounds = 20
[models.mlp]
n_seeds = 1
epochs = 4
width = { tune = "int", low = 8, high = 32, step = 8 }
lr = { tune = "loguniform", low = 1e-3, high = 1e-1 }
[models.autogluon]
models = { GBM = [{ num_boost_round = 10 }] }
[tune]
trials = 8
wave = 4
"""
PATIENCE = 300.0  # seconds, for what takes a few on an idle machine
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
AUTOGLUON = "train/autogluon"
METRIC = """
import os, sys
TASKS, READS, GREATER_IS_BETTER, OPTIMUM = ("regression",), "value", False, 0.0

def score(target, prediction):
    for mark in ("first", "second") if "lightgbm" in sys.modules else ():  # in a unit, not where rows are looked at
        try:
            os.mkdir(mark)
        except FileExistsError:
            continue
        with open("begun", "w") as said:
            said.write(f"{os.getpid()}\\n")
        os.close(os.open("goes on", os.O_WRONLY))
        break
    return float(((target - prediction) ** 2).mean() ** 0.5)
"""
BLOCKED = """
minutes = 5
[split]
n_folds = 4
[models.lightgbm]
rounds = 40
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A workspace in which the experiment was run in one process."""
    shop = make_shop(tmp_path_factory.mktemp("alone"), EXPERIMENT)
    run(shop)
    return shop


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with started(3) as nodes:
        yield nodes


def run(shop: Shop, **environment: str) -> str:
    """Run the experiment to its end in one thread a process; return what was said of the progress."""
    process = shop.launch("run", SLUG, "-e", "quick", **ONE_THREAD, **environment)
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    return stderr


def made(shop: Shop) -> dict[str, bytes]:
    """Return all results, but for AutoGluon's own archive, which holds the time of its making."""
    store = shop.folder / "data" / SLUG / "cache"
    paths = [path for path in store.glob("[!.]*/**/*") if path.is_file() and path.name != "manifest.json"]
    names = {path.relative_to(store).as_posix(): path for path in paths}
    return {n: p.read_bytes() for n, p in names.items() if not (n.startswith(AUTOGLUON) and "/fitted/" in n)}


def assert_same(shop: Shop, other: Shop) -> None:
    found, wanted = made(shop), made(other)
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if found[name] != wanted[name]] == []
    assert shop.submissions == other.submissions


def test_a_local_ray_gives_the_same_bytes(alone: Shop, tmp_path: Path) -> None:
    shop = make_shop(tmp_path, EXPERIMENT)
    assert "linear: CV rmse" in run(shop, RAY_ADDRESS="local")
    assert_same(shop, alone)


def test_three_nodes_give_the_same_bytes(alone: Shop, cluster: Cluster, tmp_path: Path) -> None:
    shop = make_shop(tmp_path, EXPERIMENT)
    run(shop, RAY_ADDRESS=cluster.address)
    assert_same(shop, alone)
    assert shop.run("verify", SLUG).endswith("0 damaged\n")


def blocking(folder: Path) -> Shop:
    """Return a workspace whose own metric waits, the first two times that it judges a fold."""
    shop = make_shop(folder, BLOCKED)
    target = shop.folder / "experiments" / SLUG
    text = (target / "competition.toml").read_text(encoding="utf-8")
    (target / "competition.toml").write_text(text.replace('"rmse"', '"own"'), encoding="utf-8")
    (target / "metric.py").write_text(METRIC, encoding="utf-8")
    for name in ("begun", "goes on"):
        os.mkfifo(shop.folder / name)
    return shop


def units_of(shop: Shop) -> list[int]:
    """Wait until two processes are in the middle of a unit each, and return them."""
    with os.fdopen(os.open(shop.folder / "begun", os.O_RDWR), "rb", 0) as said:
        return [int(said.readline()) for _ in range(2) if select.select([said], [], [], PATIENCE)[0]]


def test_a_node_that_is_killed_loses_its_unit_only(cluster: Cluster, tmp_path: Path) -> None:
    free, shop = blocking(tmp_path / "free"), blocking(tmp_path / "killed")
    for mark in ("first", "second"):
        (free.folder / mark).mkdir()
    run(free)
    process = shop.launch("--ray", cluster.address, "run", SLUG, "-e", "quick", **ONE_THREAD)
    unit = next(unit for unit in units_of(shop) if not cluster.is_head(parent_of(unit)))
    cluster.cut_off(unit)
    os.close(os.open(shop.folder / "goes on", os.O_RDONLY))  # for the other one
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert_same(shop, free)
    assert list((shop.folder / "data" / SLUG / "cache" / ".building").iterdir()) == []


def test_an_interruption_ends_what_runs_elsewhere(cluster: Cluster, tmp_path: Path) -> None:
    shop = blocking(tmp_path)
    process = shop.launch("--ray", cluster.address, "run", SLUG, "-e", "quick", **ONE_THREAD)
    ends = [os.pidfd_open(unit) for unit in units_of(shop)]
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    for end in ends:
        assert select.select([end], [], [], PATIENCE)[0], "a unit goes on though nobody waits for it"
        os.close(end)
    assert list((shop.folder / "data" / SLUG / "cache" / ".building").iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        "[models.autogluon]\nmodels = { CAT = [{ depth = 99 }] }",  # found in a unit
        "[models.linear]\nlr = 1e30",  # found by the stage
    ],
)
def test_a_mistake_reads_as_it_does_without_ray(cluster: Cluster, tmp_path: Path, wrong: str) -> None:
    said = []
    for place, more in (("here", {}), ("there", {"RAY_ADDRESS": cluster.address})):
        shop = make_shop(tmp_path / place, f"minutes = 5\n[split]\nn_folds = 3\n{wrong}\n")
        process = shop.launch("train", SLUG, "-e", "quick", **ONE_THREAD, **more)
        _, stderr = process.communicate()
        assert process.returncode == 2, stderr
        assert "Traceback" not in stderr
        said.append(stderr[stderr.index("error:") :])
    assert said[0] == said[1]

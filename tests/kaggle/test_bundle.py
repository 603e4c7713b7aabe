"""A bundle predicts new rows offline, repeats the run's submission byte for byte, and says what is wrong with it."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest
from shop import Shop
from stall import LABELS, PRICES, Stall, open_stall, rows

from pipeline.errors import BundleError
from pipeline.inference.predict import predict
from pipeline.kaggle import bundle_check, bundle_compare, bundle_script
from pipeline.kaggle.bundle_wheels import collect_wheels


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Stall:
    """A competition for labels, run and bundled; every model has a weight, the sample is in another order than test."""
    stall = open_stall(Shop(tmp_path_factory.mktemp("labels")), "labels", LABELS, "mean")
    done = stall.call("bundle", "-e", "quick", "--out", str(stall.shop.folder / "made"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the same bytes as the run's submission" in done.stdout
    return stall


@pytest.fixture
def bundle(labels: Stall, tmp_path: Path) -> Path:
    """A copy of the bundle, free to be changed."""
    return Path(shutil.copytree(labels.shop.folder / "made", tmp_path / "bundle"))


def start(bundle: Path, raw: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Run a bundle's script as the dry run does, without a network namespace."""
    command = [sys.executable, "-I", "-B", bundle / "predict.py", "--bundle", bundle, "--input", raw, "--out", out]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_bundle_holds_what_it_needs_and_lists_it(labels: Stall) -> None:
    folder = labels.shop.folder / "made"
    manifest = json.loads((folder / "bundle.json").read_text())
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    own = {"bundle.json", "predict.py", "predict.ipynb", "kernel-metadata.json", "dataset-metadata.json"}
    assert there - manifest["files"].keys() == own
    models = {name.split("/")[2] for name in there if name.startswith("fitted/models/")}
    assert models == {"linear", "mlp", "lightgbm"}
    assert {"torch", "pandas", "lightgbm"} <= manifest["libraries"].keys()
    assert not {"mlflow", "optuna", "autogluon.tabular"} & manifest["libraries"].keys()
    assert json.loads((folder / "kernel-metadata.json").read_text())["enable_internet"] is False
    assert not [name for name in there if name.endswith((".zip", ".pyc"))]


def test_the_notebook_does_what_the_script_does(labels: Stall, tmp_path: Path) -> None:
    """Its cells are run as they are, with Kaggle's folder elsewhere; the bundle is found below it by itself."""
    shutil.copytree(labels.shop.folder / "made", tmp_path / "input" / "somebody-models")
    shutil.copytree(labels.raw, tmp_path / "input" / "labels")
    cells = json.loads((labels.shop.folder / "made" / "predict.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    code.insert(1, f"KAGGLE = Path({str(tmp_path / 'input')!r})")
    done = subprocess.run(
        [sys.executable, "-I", "-c", "\n\n".join(code)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "submission.csv").read_bytes() == labels.submission.read_bytes()


def test_hidden_rows_are_predicted_anew(labels: Stall, tmp_path: Path) -> None:
    """The same row gets the same label in whatever company; new levels and values are told, not fatal."""
    known = rows(30, 2).iloc[[4, 2]]
    hidden = pd.concat([rows(50, 3), known], ignore_index=True).astype({"code": object}).assign(extra=1)
    hidden.loc[:1, ["colour", "code", "garden"]] = "purple"
    hidden.to_csv(tmp_path / "test.csv", index=False)
    said: list[str] = []
    fitted = labels.shop.folder / "made" / "fitted"
    assert predict(fitted, tmp_path / "test.csv", None, tmp_path / "out.csv", said.append) == 52
    found = pd.read_csv(tmp_path / "out.csv", dtype=str)
    assert found["key"].tolist() == hidden["key"].tolist()
    before = pd.read_csv(labels.submission, dtype=str).set_index("key")["sold"]
    assert found["sold"].tolist()[50:] == before[known["key"]].tolist()
    assert set(found["sold"]) == {"0.0", "1.0"}
    assert any(line.startswith("colour: 1 levels in 2 rows were never seen before") for line in said)
    assert any(line.startswith("garden: 2 values are not boolean") for line in said)


def test_a_missing_column_is_named(labels: Stall, tmp_path: Path) -> None:
    rows(5, 3).drop(columns=["colour", "built"]).to_csv(tmp_path / "test.csv", index=False)
    done = start(labels.shop.folder / "made", tmp_path, tmp_path / "out.csv")
    assert done.returncode == 2
    assert "error: test.csv has no column 'colour', 'built'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("harm", ["weights", "code", "gone"])
def test_what_is_damaged_is_refused_before_it_is_opened(bundle: Path, labels: Stall, harm: str, tmp_path: Path) -> None:
    code, weights = "pipeline/inference/predict.py", "fitted/models/mlp/*/weights.safetensors"
    path = next(bundle.glob(code if harm == "code" else weights))
    if harm == "gone":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(bytes(content))
    done = start(bundle, labels.raw, tmp_path / "out.csv")
    assert done.returncode == 2
    assert str(path) in done.stderr.partition("error:")[2]
    assert "Traceback" not in done.stderr


def test_a_feature_that_wants_the_network_is_refused(bundle: Path, labels: Stall, tmp_path: Path) -> None:
    """There is somebody to talk to, so that only the refusal keeps it from succeeding."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        call = f'    socket.create_connection(("127.0.0.1", {server.getsockname()[1]})).close()\n'
        path = bundle / "fitted" / "features.py"
        path.write_text(path.read_text().replace("-> pd.Series:\n", f"-> pd.Series:\n{call}", 1))
        manifest = json.loads((bundle / "bundle.json").read_text())
        del manifest["files"]["fitted/features.py"]
        (bundle / "bundle.json").write_text(json.dumps(manifest))
        done = start(bundle, labels.raw, tmp_path / "out.csv")
        server.settimeout(0.0)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert done.returncode == 2
    assert "no network here" in done.stderr
    assert "127.0.0.1" in done.stderr


def test_a_namespace_of_its_own_has_no_network(tmp_path: Path) -> None:
    prefix, _ = bundle_check.without_network()
    if not prefix:
        pytest.skip("unshare is not permitted here")
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}))"
        with pytest.raises(BundleError, match="unreachable"):
            bundle_check.run_capped([*prefix, sys.executable, "-c", code], tmp_path, 2**33)


def test_what_grows_over_the_cap_is_killed_with_its_children(tmp_path: Path) -> None:
    child = "block = bytearray(300 << 20); import time; time.sleep(600)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with pytest.raises(
        BundleError, match=r"more than 0\.20 GiB of memory: 0\.\d+ GiB were resident, and it was killed"
    ):
        bundle_check.run_capped([sys.executable, "-c", code], tmp_path, 200 << 20)


def test_address_space_that_is_not_used_does_not_count(tmp_path: Path) -> None:
    code = "import mmap; block = mmap.mmap(-1, 4 << 30)"
    assert bundle_check.run_capped([sys.executable, "-c", code], tmp_path, 1 << 30) < 1 << 30


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ("id,y\n1,2.0\n2,3.5\n", r"y: 1 of 2 rows, the first is row 1 \(3.5, not 3.0\), at most 0.5 apart"),
        ("id,y\n1,2.0\n3,3.0\n", r"id: 1 of 2 rows, the first is row 1 \(3, not 2\)"),
        ("id,y\n1,2.0\n", "1 rows, expected 2"),
        ("id,z\n1,2.0\n2,3.0\n", "the columns are id, z, expected id, y"),
        ("id,y\n1,a\n2,3.0\n", r"y: 1 of 2 rows, the first is row 0 \(a, not 2.0\)$"),
        ("id,y\r\n1,2.0\r\n2,3.0\r\n", "the same cells"),
    ],
)
def test_a_difference_is_described(found: str, words: str) -> None:
    assert re.search(words, bundle_compare.difference(b"id,y\n1,2.0\n2,3.0\n", found.encode()))


def test_a_bundle_that_predicts_something_else_is_told(labels: Stall, monkeypatch: pytest.MonkeyPatch) -> None:
    written = labels.submission.read_bytes().replace(b",1.0", b",0.0", 1)

    def run_capped(_command: list[str], folder: Path, _cap: int) -> int:
        assert sorted(path.name for path in (folder / "input").iterdir()) == ["sample_submission.csv", "test.csv"]
        return (folder / "submission.csv").write_bytes(written)

    monkeypatch.setattr(bundle_check, "run_capped", run_capped)
    folder = labels.shop.folder / "made"
    raw_files = {"test": labels.raw / "test.csv", "sample": labels.raw / "sample_submission.csv"}
    manifest = json.loads((folder / "bundle.json").read_text())
    made = bundle_check.Bundle(folder, folder.with_name("made.zip"), manifest, raw_files)
    with pytest.raises(BundleError, match="sold: 1 of 30 rows"):
        bundle_check.check(made, labels.submission, 2**33)


def test_a_folder_that_is_no_bundle_is_not_overwritten(labels: Stall) -> None:
    done = labels.call("bundle", "-e", "quick", "--no-check", "--out", str(labels.raw))
    assert done.returncode == 2
    assert "no bundle: it is not overwritten" in done.stderr
    assert (labels.raw / "train.csv").is_file()


def test_predict_repeats_the_submission_of_a_regression(tmp_path: Path) -> None:
    """Only the best entry has a weight; the others' places in the sum are kept."""
    stall = open_stall(Shop(tmp_path), "prices", PRICES, "best")
    done = stall.call("predict", str(stall.raw / "test.csv"), "-e", "quick", "--out", str(tmp_path / "out.csv"))
    assert done.returncode == 0, done.stderr
    submit = next((tmp_path / "data" / "prices" / "cache" / "submit").glob("*/*/submission.csv"))
    assert (tmp_path / "out.csv").read_bytes() == submit.read_bytes()


@pytest.mark.slow
def test_autogluons_models_are_bundled_without_those_that_have_no_weight(tmp_path: Path) -> None:
    models = (
        "[models.autogluon]\nmodels = { GBM = [{ num_boost_round = 10 }], XT = [{ n_estimators = 20 }], LR = [{}] }\n"
    )
    stall = open_stall(Shop(tmp_path), "boosted", PRICES, "best", f"minutes = 5\n[split]\nn_folds = 3\n{models}")
    done = stall.call("bundle", "-e", "quick", "--out", str(tmp_path / "made"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the same bytes as the run's submission" in done.stdout
    mark = json.loads((tmp_path / "made" / "fitted" / "models" / "autogluon" / "0" / "predictor.json").read_text())
    assert len(mark["models"]) == 1


def wheelhouse(folder: Path) -> Path:
    """A folder with one wheel, of a library that has nothing in it."""
    folder.mkdir()
    info = "nothing-1.0.dist-info"
    with ZipFile(folder / "nothing-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: nothing\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return folder


@pytest.mark.parametrize("line", ["nothing==1.0", "nothing==2.0"])
def test_wheels_are_collected_or_it_is_told_what_is_not_there(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheelhouse(tmp_path / "house")))
    (tmp_path / "requirements.txt").write_text(line)
    if line.endswith("1.0"):
        assert collect_wheels(tmp_path / "requirements.txt", tmp_path / "wheels") == 1
        return
    with pytest.raises(BundleError, match=r"nothing==2\.0"):
        collect_wheels(tmp_path / "requirements.txt", tmp_path / "wheels")


def test_wheels_are_installed_on_kaggle_alone_and_from_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []
    (tmp_path / "wheels").mkdir()
    monkeypatch.setattr(bundle_script.subprocess, "run", lambda command, **_: calls.append(command))
    bundle_script.install_wheels(tmp_path)
    assert calls == []
    monkeypatch.setattr(bundle_script, "KAGGLE", tmp_path)
    bundle_script.install_wheels(tmp_path)
    assert "--no-index" in calls[0]
    assert str(tmp_path / "wheels") in calls[0]

"""A user's mistake is one readable message with the nearest right spelling and exit code 2, never a traceback."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from shop import ROOT, SLUG, Shop

from pipeline.commands import looking
from pipeline.engine.run import Outcome
from pipeline.report import html

Call = Callable[..., subprocess.CompletedProcess[str]]
PYPROJECT = ROOT / "pyproject.toml"


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Check that a command was refused as a user's mistake; return its message as one line."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error:") == 1
    return " ".join(done.stderr.split())


def change(shop: Shop, file: str, old: str, new: str) -> None:
    path = shop.folder / "experiments" / SLUG / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new", "nearest"),
    [
        ("quick.toml", "n_folds", "n_fold", "did you mean 'n_folds'?"),
        ("quick.toml", "[models.mlp]", "[models.mpl]", "did you mean 'mlp'?"),
        ("quick.toml", "n_seeds", "n_seed", "did you mean 'n_seeds'?"),
        ("quick.toml", "epochs = 4", "epochs = -4", "epochs"),
        ("quick.toml", "low = 1e-3", "low = 1.0", "low 1.0 must be below high 0.1"),
        ("quick.toml", "[split]", "[split]\nkind = 'kfolds'", "did you mean 'kfold'?"),
        ("quick.toml", "minutes = 5", "minutes = ", "not valid TOML"),
        ("competition.toml", '"rmse"', '"rmes"', "did you mean 'rmse'?"),
        ("competition.toml", '"rmse"', '"auc"', "task is 'regression'"),
        ("competition.toml", "target =", "targett =", "did you mean 'target'?"),
        ("competition.toml", '"progression"', '"progresion"', "did you mean 'progression'?"),
        ("competition.toml", '"train.csv"', '"trian.csv"', "did you mean 'train.csv'?"),
    ],
)
def test_a_wrong_word_in_a_file(shop: Shop, call: Call, file: str, old: str, new: str, nearest: str) -> None:
    change(shop, file, old, new)
    assert nearest in refused(call("ingest", SLUG, "-e", "quick"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "practice-diabetis"), "did you mean 'practice-diabetes'?"),
        (("run", SLUG, "-e", "quik"), "did you mean 'quick'?"),
        (("plan", "nowhere"), "competition.toml does not exist"),
        (("explain", "nowhere.csv"), "nowhere.csv does not exist"),
        (("explain", "submissions/quick-1.csv"), "did you mean 'quick-2.csv'?"),
        (("explain", "submissions/quick-2.csv"), "lies in a folder called 'submissions', which is not a competition"),
        (("explain", "submissions"), "submissions is a folder, expected a CSV file hint: one of: quick-2.csv"),
        (("new", "nowhere"), "nowhere/raw does not exist"),
        (("new", "titanik"), "did you mean 'titanic'?"),
        (("--raw", "input", "new", "other"), "did you mean 'others'?"),
        (("--experiments", "experimnts", "run", SLUG), "experimnts is not a folder"),
        (("--raw", "/nowhere", "plan", SLUG), "/nowhere is not a folder"),
    ],
)
def test_a_wrong_argument(shop: Shop, call: Call, arguments: tuple[str, ...], expected: str) -> None:
    for folder in ("submissions", "data/titanic/raw", "input/others"):
        (shop.folder / folder).mkdir(parents=True)
    (shop.folder / "submissions" / "quick-2.csv").touch()
    assert expected in refused(call(*arguments))


@pytest.mark.parametrize("slug", ["/abs/path", "../up", "a/b", "..", "[bold]x", "My Comp", "", "x" * 101])
@pytest.mark.parametrize("command", ["new", "plan", "show", "holdout", "gc"])
def test_a_name_that_is_no_plain_name(call: Call, command: str, slug: str) -> None:
    assert "cannot name a competition" in refused(call(command, slug))


@pytest.mark.parametrize("name", ["../bom/lin", "/abs", "a/b", "lin/"])
def test_an_experiment_beyond_the_competition_s_folder(call: Call, name: str) -> None:
    assert "cannot name an experiment" in refused(call("plan", SLUG, "-e", name))


def test_raw_files_that_are_not_there_yet(shop: Shop, call: Call) -> None:
    shutil.copytree(shop.folder / "experiments" / SLUG, shop.folder / "experiments" / "mine")
    message = refused(call("run", "mine", "-e", "quick"))
    assert "mine/raw does not exist" in message
    assert "put train, test and sample submission" in message


def test_minutes_without_an_end(call: Call) -> None:
    assert "finite" in refused(call("run", SLUG, "-e", "quick", "--minutes", "inf"))


@pytest.mark.parametrize("arguments", [("plan", "--experimnt", "x"), ("run", SLUG, "--minutes", "soon")])
def test_a_wrong_option(call: Call, arguments: tuple[str, ...]) -> None:
    assert call(*arguments).returncode == 2


@pytest.mark.parametrize("option", ["--data", "--experiments", "--submissions", "--raw"])
def test_an_option_of_the_places_behind_the_command(call: Call, option: str) -> None:
    done = call("run", SLUG, option, "d")
    assert done.returncode == 2
    assert f"pipeline {option} ... run" in done.stderr


def test_an_interruption_while_the_command_is_imported_leaves_no_traceback(shop: Shop) -> None:
    module, _, function = tomllib.loads(PYPROJECT.read_text())["project"]["scripts"]["pipeline"].partition(":")
    code = (
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        f"from {module} import {function}; {function}()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=shop.environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "")


def test_a_report_says_that_it_is_being_written(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("run_nodes", "ensure_run"):
        monkeypatch.setattr(looking, name, lambda *_: Outcome({}, ()))
    monkeypatch.setattr(html, "write", lambda *_: Path("[a]/there.html"))
    done = call("report", SLUG, "-e", "quick")
    assert "drawing the plots" in done.stderr
    assert done.stdout == "[a]/there.html\n"


def test_a_process_ends_as_the_call_does(shop: Shop) -> None:
    """All other tests here call the command in their own process."""
    for words, said in ((("run", SLUG, "-e", "quik"), "did you mean 'quick'?"), (("plann",), "No such command")):
        process = shop.launch(*words)
        _, stderr = process.communicate()
        assert process.returncode == 2
        assert said in stderr
        assert "Traceback" not in stderr


def test_nothing_is_removed_while_an_experiment_cannot_be_read(call: Call, shop: Shop) -> None:
    change(shop, "quick.toml", "n_folds", "n_fold")
    told = refused(call("gc", SLUG))
    assert "nothing is removed while experiment 'quick' cannot be read" in told
    assert "did you mean 'n_folds'?" in told


def test_a_cache_that_cannot_be_written(shop: Shop, call: Call) -> None:
    cache = shop.folder / "data" / SLUG / "cache"
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where a folder should be")
    assert "choose a writable place" in refused(call("ingest", SLUG, "-e", "quick"))


def test_a_place_for_submissions_that_cannot_be_written_is_refused_before_the_work(shop: Shop, call: Call) -> None:
    (shop.folder / "submissions").write_text("a file where a folder should be")
    message = refused(call("run", SLUG, "-e", "quick"))
    assert "submissions" in message
    assert not (shop.folder / "data" / SLUG / "cache").exists()


def test_a_folder_that_cannot_be_made(shop: Shop, call: Call) -> None:
    assert call("plan", SLUG, "-e", "quick").returncode == 0
    shutil.copytree(shop.folder / "data" / SLUG / "raw", shop.folder / "data" / "mine" / "raw")
    for place in ("experiments/mine", f"data/{SLUG}-holdout"):
        (shop.folder / place).write_text("a file where a folder should be")
    for arguments in (("new", "mine"), ("holdout", SLUG), ("--data", "/proc/nowhere", "plan", SLUG, "-e", "quick")):
        assert "choose other places" in refused(call(*arguments))


def test_a_file_that_may_not_be_read(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_text

    def refuse(path: Path, **options: str) -> str:
        if path.name == "competition.toml":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read(path, **options)

    monkeypatch.setattr(Path, "read_text", refuse)
    message = refused(call("plan", SLUG, "-e", "quick"))
    assert "competition.toml: Permission denied" in message


def test_raw_files_may_lie_apart_and_read_only(shop: Shop, call: Call, tmp_path: Path) -> None:
    assert call("plan", SLUG, "-e", "quick").returncode == 0
    apart = tmp_path / "input" / SLUG
    shutil.copytree(shop.folder / "data" / SLUG / "raw", apart)
    shutil.rmtree(shop.folder / "data" / SLUG / "raw")
    apart.chmod(0o555)  # which forbids the superuser nothing
    before = {path: path.stat().st_mtime_ns for path in (apart, *apart.rglob("*"))}
    done = call("--raw", str(tmp_path / "input"), "ingest", SLUG, "-e", "quick")
    assert done.returncode == 0, done.stderr
    assert "ingest" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in (apart, *apart.rglob("*"))} == before

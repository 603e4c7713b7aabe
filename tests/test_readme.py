"""The README stays true: every command and make target is in it, with help."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from textwrap import dedent

import pytest
import typer

from pipeline.cli import app
from pipeline.config import load_competition, load_experiment
from pipeline.engine import plugins
from pipeline.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SEND = ["pipeline", "send", "a b", "--experiment", "default"]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_in_the_readme_and_has_help(name: str) -> None:
    assert f"`pipeline {name}" in README
    assert COMMANDS[name].help


def test_every_make_target_is_in_the_readme() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.MULTILINE)
    assert targets
    assert [t for t in targets if f"`make {t}" not in README] == []


def test_make_without_a_target_explains_itself() -> None:
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "COMPETITION=" in said
    assert "run the whole pipeline" in said


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (("new", "COMPETITION=my comp", "METRIC=rmsle"), ["pipeline", "new", "my comp", "--metric", "rmsle"]),
        (("holdout", "COMPETITION=[b]x", "HOW=group"), ["pipeline", "holdout", "[b]x", "--how", "group"]),
        (("run", "COMPETITION=a b", "EXPERIMENT=c d"), ["pipeline", "run", "a b", "--experiment", "c d"]),
        (("gc", "COMPETITION=a b"), ["pipeline", "gc", "a b"]),
        (("explain",), ["pipeline", "explain"]),
        (("data", "COMPETITION=a b"), ["pipeline", "download", "a b"]),
        (("send", "COMPETITION=a b", "SUBMISSION=c d.csv"), [*SEND, "--file", "c d.csv"]),
        (
            ("predict", "COMPETITION=a b", "ROWS=c d.csv", "MINUTES=30"),
            ["pipeline", "predict", "a b", "--experiment", "default", "--minutes", "30", "c d.csv"],
        ),
        (("compete", "COMPETITION=a b"), ["pipeline", "compete", "a b", "--experiment", "default"]),
    ],
)
def test_make_hands_its_variables_on_as_they_are(arguments: tuple[str, ...], command: list[str]) -> None:
    make = ["make", "-n", "--no-print-directory", *arguments]
    said = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    words = shlex.split(said.splitlines()[-1])
    assert [words[0].rpartition("/")[2], *words[1:]] == command


def test_the_test_command_of_the_readme_is_what_continuous_integration_calls() -> None:
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").rstrip().endswith("make test")
    assert "make test" in README


@pytest.mark.parametrize("kind", ["models", "metrics", "splitters", "blenders"])
def test_every_plugin_is_named_in_the_readme(kind: str) -> None:
    assert [name for name in plugins.names(kind) if f"`{name}`" not in README] == []


def test_what_the_readme_of_experiments_shows_is_understood(tmp_path: Path) -> None:
    text = (ROOT / "experiments" / "README.md").read_text(encoding="utf-8") + "\n" + README
    shown = [dedent(block) for block in re.findall(r"(?:^ {4}.*\n)+", text, flags=re.MULTILINE)]
    facts_shown = [block for block in shown if re.search(r"^task ", block, flags=re.MULTILINE)]
    blocks = [b for b in shown if b not in facts_shown and re.search(r"^\[\w+|^minutes ", b, flags=re.MULTILINE)]
    assert len(facts_shown) == 2
    assert len(blocks) > 8
    for number, block in enumerate(facts_shown):
        (tmp_path / f"facts{number}").mkdir()
        rest = "" if "submission" in block else 'id = "id"\nsubmission = "value"\n'
        (tmp_path / f"facts{number}" / "competition.toml").write_text(block + rest)
        load_competition(Workspace(experiments=tmp_path), f"facts{number}")
    folder = tmp_path / "shop"
    folder.mkdir()
    facts = 'task = "regression"\nid = "id"\ntarget = "price"\nmetric = "rmse"\nsubmission = "value"\n'
    (folder / "competition.toml").write_text(facts)
    for number, block in enumerate(blocks):
        own = block if "[models." in block else f"{block}\n[models.linear]\n"
        (folder / f"shown{number}.toml").write_text(own)
        load_experiment(Workspace(experiments=tmp_path), "shop", f"shown{number}")

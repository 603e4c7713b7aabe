"""A bundle is pushed by the SDK: the dataset once, then the notebook once, whatever is lost on the way."""

from __future__ import annotations

import json
import shutil
import traceback
from pathlib import Path

import kaggle_process
import pytest
from kaggle_houses import QUICK, houses
from kaggle_server import KEY, SIGNATURE, TOKEN, USER, Failure, Kaggle

from pipeline.engine.console import Console
from pipeline.errors import Interrupted, KaggleError, UnansweredError
from pipeline.kaggle import client
from pipeline.kaggle import push as pushing
from pipeline.kaggle.bundle import SCRIPT, Bundle
from pipeline.kaggle.client import Link, connect
from pipeline.kaggle.push import push

DATASET, NOTEBOOK = "ann/houses-default-models", "ann/houses-default-inference"
PAGE = f"https://www.kaggle.com/code/{NOTEBOOK}"
LOST = Failure(cut=0, done=True)
"""Kaggle does what was asked, and the answer is lost on the way."""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "POLL_SECONDS", 0.0)


@pytest.fixture
def made(tmp_path: Path) -> Bundle:
    folder = tmp_path / "default-bundle"
    folder.mkdir()
    shutil.copyfile(SCRIPT, folder / "predict.py")
    archive = folder.with_name("default-bundle.zip")
    archive.write_bytes(b"PK" + bytes(3_000_000))
    return Bundle(folder, archive, {}, {})


def refusal(link: Link, made: Bundle) -> KaggleError:
    with pytest.raises(KaggleError) as caught:
        push(link, made, "default")
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.hint
    assert not [secret for secret in (TOKEN, KEY, SIGNATURE) if secret in shown]
    return caught.value


def test_the_models_then_the_notebook_that_reads_them(link: Link, kaggle: Kaggle, made: Bundle) -> None:
    assert push(link, made, "default") == PAGE
    ((content, dataset),) = kaggle.shelf.datasets[DATASET]
    assert content == made.archive.read_bytes()
    assert (dataset["isPrivate"], dataset["title"]) == (True, "houses default models")
    (notebook,) = kaggle.shelf.notebooks[NOTEBOOK]
    assert (notebook["isPrivate"], notebook["enableInternet"], notebook["enableGpu"]) == (True, False, False)
    assert (notebook["datasetDataSources"], notebook["competitionDataSources"]) == ([DATASET], ["houses"])
    cells = json.loads(notebook["text"])["cells"]
    assert "def find_bundle" in cells[1]["source"]
    assert cells[2]["source"] == "main([])"
    uploads = [headers for method, headers, _ in kaggle.requests if method == "upload"]
    assert [int(headers["Content-Length"]) for headers in uploads] == [made.archive.stat().st_size]
    assert not [headers for headers in uploads if "Authorization" in headers]


def test_an_interruption_says_what_the_next_push_does(
    link: Link, made: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pushing, "put_file", stop)
    with pytest.raises(Interrupted, match=f"interrupted at the dataset {DATASET}") as caught:
        push(link, made, "default")
    assert "begins anew" in caught.value.hint


def test_a_second_push_is_a_version_that_the_notebook_waits_for(link: Link, kaggle: Kaggle, made: Bundle) -> None:
    kaggle.shelf.polls_until_ready = 3
    push(link, made, "default")
    made.archive.write_bytes(b"PK other")
    push(link, made, "default")
    assert [content for content, _ in kaggle.shelf.datasets[DATASET]][1:] == [b"PK other"]
    assert kaggle.shelf.datasets[DATASET][1][1]["body"]["versionNotes"] == "experiment default"
    assert kaggle.shelf.polls >= 3
    assert len(kaggle.shelf.notebooks[NOTEBOOK]) == 2


def test_a_users_key_has_the_name_with_it(kaggle: Kaggle, made: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    monkeypatch.setenv("KAGGLE_USERNAME", USER)
    monkeypatch.setenv("KAGGLE_KEY", KEY)
    with connect("houses", Console(quiet=True)) as link:
        assert push(link, made, "default") == PAGE
    assert kaggle.asked("IntrospectToken") == 0


@pytest.mark.parametrize(
    ("method", "failures"),
    [
        ("IntrospectToken", [Failure(429, headers={"Retry-After": "0"})]),
        ("GetDataset", [Failure(500)]),
        ("StartBlobUpload", [Failure(500), Failure(cut=0)]),
        ("upload", [Failure(500), Failure(cut=0)]),
        ("CreateDataset", [Failure(500)]),
        ("CreateDataset", [Failure(cut=0), LOST]),
        ("CreateDataset", [Failure(502, "<h1>", html=True, done=True)]),
        ("GetDatasetStatus", [Failure(503), Failure(404)]),
        ("SaveKernel", [Failure(500)]),
        ("SaveKernel", [Failure(503), LOST]),
        ("SaveKernel", [Failure(200, "<html>", html=True, done=True)]),
    ],
)
def test_what_passes_makes_nothing_twice(
    link: Link, kaggle: Kaggle, made: Bundle, method: str, failures: list[Failure]
) -> None:
    kaggle.fail(method, *failures)
    assert push(link, made, "default") == PAGE
    assert (len(kaggle.shelf.datasets[DATASET]), len(kaggle.shelf.notebooks[NOTEBOOK])) == (1, 1)


def test_a_version_whose_answer_is_lost_is_not_made_again(link: Link, kaggle: Kaggle, made: Bundle) -> None:
    push(link, made, "default")
    kaggle.fail("CreateDatasetVersion", Failure(cut=0), LOST)
    push(link, made, "default")
    assert len(kaggle.shelf.datasets[DATASET]) == 2


@pytest.mark.parametrize(
    ("method", "failure", "message", "page"),
    [
        ("IntrospectToken", Failure(401, "Unauthenticated"), "does not take these credentials", "/settings"),
        ("StartBlobUpload", Failure(401, "Unauthenticated"), f"the dataset {DATASET}: Kaggle does not", "/settings"),
        ("StartBlobUpload", Failure(403, "Denied"), f"the dataset {DATASET}: Kaggle does not let you", "/settings"),
        ("CreateDataset", Failure(403, f"token {TOKEN} is not allowed"), "token [hidden] is not allowed", "/settings"),
        ("CreateDataset", Failure(400, "Too large"), f"the dataset {DATASET}: Kaggle refused (400)", DATASET),
        ("SaveKernel", Failure(403, "rules"), "the rules of houses are not accepted", "/houses/rules"),
        ("SaveKernel", Failure(400, "No quota"), f"the notebook {NOTEBOOK}: Kaggle refused (400)", PAGE),
    ],
)
def test_a_refusal_says_of_what_and_what_to_do(
    link: Link, kaggle: Kaggle, made: Bundle, method: str, failure: Failure, message: str, page: str
) -> None:
    kaggle.fail(method, failure)
    error = refusal(link, made)
    assert message in str(error)
    assert page in error.hint
    assert kaggle.asked(method) == 1
    assert not kaggle.shelf.notebooks


@pytest.mark.parametrize("method", ["StartBlobUpload", "upload", "CreateDataset", "SaveKernel"])
def test_what_does_not_pass_is_told(link: Link, kaggle: Kaggle, made: Bundle, method: str) -> None:
    kaggle.fail(method, *[Failure(503)] * client.ATTEMPTS)
    assert "error (503)" in str(refusal(link, made))
    assert kaggle.asked(method) == client.ATTEMPTS


def test_a_token_of_nobody(link: Link, kaggle: Kaggle, made: Bundle) -> None:
    kaggle.shelf.token = "another"
    assert "knows no user" in str(refusal(link, made))


def test_a_dataset_that_kaggle_cannot_unpack(link: Link, kaggle: Kaggle, made: Bundle) -> None:
    kaggle.shelf.ends_as = "FAILED"
    error = refusal(link, made)
    assert "could not unpack" in str(error)
    assert DATASET in error.hint
    assert not kaggle.shelf.notebooks


def test_a_dataset_that_is_not_ready_in_time(
    link: Link, kaggle: Kaggle, made: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "READY_SECONDS", 0.0)
    kaggle.shelf.polls_until_ready = 1_000_000
    assert "is not ready" in str(refusal(link, made))
    assert not kaggle.shelf.notebooks


def test_a_notebook_that_may_not_read_the_competition(link: Link, kaggle: Kaggle, made: Bundle) -> None:
    kaggle.shelf.without = ("houses",)
    error = refusal(link, made)
    assert "without its input houses" in str(error)
    assert "/houses/rules" in error.hint


def test_a_name_that_is_taken(link: Link, kaggle: Kaggle, made: Bundle) -> None:
    """Somebody's dataset that Kaggle does not show: the refusal is told, and not taken for a lost answer."""
    kaggle.shelf.datasets[DATASET] = [(b"", {})]
    kaggle.fail("GetDataset", Failure(403, "Permission denied"))
    assert "already in use" in str(refusal(link, made))


def test_an_answer_that_never_comes_is_no_success(link: Link, kaggle: Kaggle, made: Bundle) -> None:
    kaggle.fail("CreateDataset", *[Failure(cut=0)] * client.ATTEMPTS)
    with pytest.raises(KaggleError, match="did not answer") as caught:
        push(link, made, "default")
    assert not isinstance(caught.value, UnansweredError)
    assert "network" in caught.value.hint


def test_the_command_makes_and_pushes_a_bundle(kaggle: Kaggle, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    (folder / "experiments" / "houses").mkdir(parents=True)
    (folder / "experiments" / "houses" / "default.toml").write_text(QUICK)
    kaggle.competitions["houses"] = houses()
    kaggle.fail("upload", Failure(500))
    kaggle.fail("SaveKernel", LOST)
    for command in (["download", "houses"], ["new", "houses"], ["bundle", "houses", "--no-check", "--push"]):
        assert kaggle_process.run(folder, *command, PIPELINE_TRACKING="off") == 0, (folder / "log.txt").read_text()
    log = (folder / "log.txt").read_text()
    assert f"pushed      {PAGE}" in log
    (archive,) = (folder / "submissions" / "houses").glob("*.zip")
    assert kaggle.shelf.datasets[DATASET][0][0] == archive.read_bytes()


def test_a_practice_competition_is_not_pushed(kaggle: Kaggle, tmp_path: Path) -> None:
    assert kaggle_process.run(tmp_path, "bundle", "practice-houses", "--push") == 2
    assert "is a practice competition" in (tmp_path / "log.txt").read_text()
    assert kaggle.requests == []

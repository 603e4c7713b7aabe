"""The report: one whole file, nothing fetched, everything that a user looks for in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from pipeline.files import write_json
from pipeline.report import html
from pipeline.report.audit import Checked

VOID = {"meta", "img", "br", "link"}


class Reader(HTMLParser):
    """Checks that tags nest, and collects addresses, headings and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.headings: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href") and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def read(made: Any) -> Reader:
    path = html.write(made.workspace, "made-up-houses", "default", made.outcome, "Houses & co")
    assert path == made.workspace.experiments / "made-up-houses" / "reports" / "default.html"
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def regression(finished: Any) -> Reader:
    return read(finished)


def test_everything_is_embedded(regression: Reader) -> None:
    assert len(regression.addresses) >= 8
    assert all(address.startswith("data:image/png;base64,") for address in regression.addresses)


def test_beside_auto_stands_what_it_stood_for(regression: Reader) -> None:
    assert re.search(r"models\.mlp\.epochs\s+auto: 24\s", regression.text)


def test_the_expected_score_is_there_with_its_interval_and_what_it_stands_on(regression: Reader) -> None:
    assert "Expected in private" in regression.headings
    assert re.search(r"The score of 10 private rows strays by 0\.\d+", regression.text)
    assert "stopped on the rows that score it" in regression.text


def test_headline_scores_judge_and_best_possible_are_there(regression: Reader) -> None:
    assert re.search(r"private, ours\s+0\.1900", regression.text)
    assert re.search(r"AutoGluon alone\s+0\.2400", regression.text)
    assert re.search(r"best possible\s+0\.1200", regression.text)


def test_every_section_of_a_tuned_practice_run_is_there(regression: Reader) -> None:
    wanted = {"Leaderboard", "Practice: what the judge found", "Folds", "Loss curves", "Tuning of mlp", "Columns"}
    assert wanted | {"What each model is worth"} <= set(regression.headings)


def test_what_became_of_the_found_recipe_is_said(regression: Reader) -> None:
    assert "15 trials, of which 1 were given up early and 1 failed" in regression.text
    assert "error 0.2 on folds of its own, 0.21 once the choice" in regression.text
    assert "(BBC-CV). The default is kept" in regression.text
    assert "mlp-tuned : the default is kept: inside the noise" in regression.text


def test_a_search_that_went_by_the_log_loss_says_so(tmp_path: Path) -> None:
    write_json(tmp_path / "recipe.json", None)
    facts = {"trials": 2, "failed": 0, "given_up": 0, "best": 0.2, "corrected": 0.21}
    evidence: Any = SimpleNamespace(results={"tune[mlp]": SimpleNamespace(facts=facts, folder=tmp_path)})
    table = pd.DataFrame({"number": [0, 1], "state": "finished", "log loss": [0.3, 0.2], "se": 0.1, "rungs": [[], []]})
    assert "the one chosen has log loss 0.2 on folds of its own, 0.21" in "".join(html._tuning("mlp", table, evidence))


def test_what_a_network_consists_of_is_there(regression: Reader) -> None:
    assert re.search(r"parameters of each network of mlp\s+head\.weight\s+\(7, 1\)\s+7\s+total\s+7", regression.text)


def test_what_comes_from_data_is_escaped(regression: Reader) -> None:
    assert "<b>PoolQC</b> is rare" in regression.text


def test_the_heading_is_the_competition_s_title(regression: Reader) -> None:
    assert "Houses & co" in regression.text


def test_the_raw_files_hashes_are_there(regression: Reader) -> None:
    assert "a" * 64 in regression.text


def test_a_classification_without_judge_shows_calibration_and_no_practice(classified: Any) -> None:
    path = html.write(classified.workspace, "made-up-houses", "default", classified.outcome)
    text = path.read_text(encoding="utf-8")
    assert 'alt="Calibration out-of-fold"' in text
    assert 'alt="Confusion out-of-fold"' in text
    assert "best possible" not in text


def test_an_audited_run_says_what_leaks_and_an_other_one_has_no_such_section(finished: Any, regression: Reader) -> None:
    assert "Leak audit" not in regression.headings
    leak = {"severity": "leak", "what": "groups <cut>", "where": "fold 1", "strength": "3 rows", "todo": "keep them"}
    checks = [Checked("cut_folds", "Do folds keep groups?", (leak,)), Checked("row_order", "Do ids predict?", ())]
    path = html.write(finished.workspace, "made-up-houses", "default", finished.outcome, "", checks)
    text = path.read_text(encoding="utf-8")
    assert "1 leak, no warnings in 2 checks" in text
    assert "<mark>leak</mark></td><td>groups &lt;cut&gt;</td><td>fold 1</td><td>3 rows</td><td>keep them" in text
    assert "Do ids predict?" in text

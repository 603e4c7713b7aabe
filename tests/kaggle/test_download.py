"""A competition's files: whole or not there, resumed where they were cut, never over what a user has."""

from __future__ import annotations

from pathlib import Path

import pytest
from kaggle_server import SIGNATURE, Competition, Failure, Kaggle, archive

from pipeline.errors import DataError, KaggleError, UnansweredError
from pipeline.kaggle import client, fetch
from pipeline.kaggle.client import Link
from pipeline.kaggle.download import download

FILES = {
    "train.csv": "id,x,y\n1,2,3\n" + "".join(f"{k},{k * 7919 % 1000},1\n" for k in range(2, 4000)),
    "a/b.csv": "x\n",
}


@pytest.fixture(autouse=True)
def houses(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> Competition:
    monkeypatch.setattr(fetch, "CHUNK_BYTES", 1024)
    return kaggle.competitions.setdefault("houses", Competition(archive(FILES)))


def contents(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_the_files_and_their_hashes(link: Link, tmp_path: Path) -> None:
    done = download(link, tmp_path / "houses")
    assert done.new == len(FILES)
    assert contents(tmp_path / "houses" / "raw") == FILES
    assert set(done.hashes) == set(FILES)
    assert sorted(p.name for p in (tmp_path / "houses").iterdir()) == [".download", "kaggle.json", "raw", "raw.json"]
    assert [p.name for p in (tmp_path / "houses" / ".download").iterdir()] == ["lock"]


def test_what_is_there_already_is_not_fetched_again(link: Link, tmp_path: Path) -> None:
    first = download(link, tmp_path / "houses")
    again = download(link, tmp_path / "houses")
    assert (again.new, again.hashes) == (0, first.hashes)


def test_files_of_the_user_are_recognised_by_their_hashes(link: Link, tmp_path: Path) -> None:
    for name, text in FILES.items():
        path = tmp_path / "houses" / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert not download(link, tmp_path / "houses").new


def test_files_of_the_user_are_never_replaced(link: Link, tmp_path: Path) -> None:
    raw = tmp_path / "houses" / "raw"
    raw.mkdir(parents=True)
    (raw / "train.csv").write_text("mine")
    with pytest.raises(DataError, match=r"other files than Kaggle: train.csv") as caught:
        download(link, tmp_path / "houses")
    assert "move" in caught.value.hint
    assert contents(raw) == {"train.csv": "mine"}


def test_what_the_user_lacks_is_added_and_files_of_his_own_stay(
    link: Link, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "houses" / "raw"
    raw.mkdir(parents=True)
    (raw / "train.csv").write_text(FILES["train.csv"])
    (raw / "original.csv").write_text("more rows")
    assert download(link, tmp_path / "houses").new == 1
    assert contents(raw) == FILES | {"original.csv": "more rows"}
    monkeypatch.setattr("pipeline.kaggle.download.fetch", lambda *_: pytest.fail("what is there is fetched again"))
    assert not download(link, tmp_path / "houses").new


def test_new_files_at_kaggle_are_noticed(link: Link, houses: Competition, tmp_path: Path) -> None:
    download(link, tmp_path / "houses")
    houses.files = archive(FILES | {"train.csv": "id,x,y\n"})
    with pytest.raises(DataError, match=r"other files than Kaggle: train\.csv"):
        download(link, tmp_path / "houses")


def test_a_connection_that_is_cut_goes_on_where_it_was(link: Link, kaggle: Kaggle, tmp_path: Path) -> None:
    kaggle.fail("blob", Failure(cut=3000), Failure(500), Failure(cut=2048), Failure(200, cut=100))
    download(link, tmp_path / "houses")
    assert contents(tmp_path / "houses" / "raw") == FILES
    asked = [headers for method, headers, _ in kaggle.requests if method == "blob"]
    assert any("Range" in headers for headers in asked)
    assert not [headers for headers in asked if "Authorization" in headers]


def test_a_download_that_was_given_up_is_resumed_by_the_next(
    link: Link, kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    kaggle.fail("blob", Failure(cut=5000))
    with pytest.raises(UnansweredError) as caught:
        download(link, tmp_path / "houses")
    assert SIGNATURE not in str(caught.value)
    assert not (tmp_path / "houses" / "raw").exists()
    download(link, tmp_path / "houses")
    ranges = [headers["Range"] for method, headers, _ in kaggle.requests if "Range" in headers]
    assert [int(text.strip("bytes=-")) > 0 for text in ranges] == [True]
    assert contents(tmp_path / "houses" / "raw") == FILES


def test_a_file_that_changed_in_between_is_not_pieced_together(
    link: Link, kaggle: Kaggle, houses: Competition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    kaggle.fail("blob", Failure(cut=5000))
    with pytest.raises(UnansweredError):
        download(link, tmp_path / "houses")
    newer = FILES | {"train.csv": FILES["train.csv"].replace("1,2,3", "3,2,1")}
    houses.files = archive(newer)
    download(link, tmp_path / "houses")
    assert contents(tmp_path / "houses" / "raw") == newer


def test_rules_that_are_not_accepted(link: Link, houses: Competition, tmp_path: Path) -> None:
    houses.rules_accepted = False
    with pytest.raises(KaggleError, match="rules of houses are not accepted") as caught:
        download(link, tmp_path / "houses")
    assert "https://www.kaggle.com/competitions/houses/rules" in caught.value.hint
    assert not (tmp_path / "houses" / "raw").exists()


def test_what_is_no_archive(link: Link, houses: Competition, tmp_path: Path) -> None:
    houses.files = b"<html>not today</html>"
    with pytest.raises(KaggleError, match="not an archive"):
        download(link, tmp_path / "houses")
    houses.files = archive(FILES)
    assert download(link, tmp_path / "houses").new

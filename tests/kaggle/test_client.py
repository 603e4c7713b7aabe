"""What Kaggle refuses, and what never arrives: one message each, with the page to open, and no secret in it."""

from __future__ import annotations

import json
import socket
import traceback
from pathlib import Path

import pytest
from kaggle_address import lead_to
from kaggle_server import KEY, TOKEN, USER, Competition, Failure, Kaggle

from pipeline.engine.console import Console
from pipeline.errors import ConfigError, KaggleError, UnansweredError
from pipeline.kaggle import client
from pipeline.kaggle.client import Link, connect, request
from pipeline.kaggle.facts import ask_facts

BUSY = {"Retry-After": "0"}


@pytest.fixture(autouse=True)
def houses(kaggle: Kaggle) -> Competition:
    return kaggle.competitions.setdefault("houses", Competition())


def refusal(link: Link) -> KaggleError:
    with pytest.raises(KaggleError) as caught:
        ask_facts(link)
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.hint
    assert not [secret for secret in (TOKEN, KEY) if secret in shown]
    return caught.value


def test_what_kaggle_knows(link: Link, houses: Competition) -> None:
    houses.facts = {"isKernelsSubmissionsOnly": True, "title": "Houses"}
    facts = ask_facts(link)
    assert (facts["title"], facts["metric"], facts["daily_limit"]) == ("Houses", "Root Mean Squared Error", 5)
    assert facts["deadline"].startswith("2030-01-31T23:59")
    assert facts["code_competition"] is True


def test_no_credentials(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    with pytest.raises(KaggleError, match="no Kaggle credentials") as caught, connect("houses", Console(quiet=True)):
        pass
    assert "https://www.kaggle.com/settings" in caught.value.hint
    assert kaggle.requests == []


@pytest.mark.parametrize("place", ["environment", ".kaggle", ".config/kaggle", "chosen", "access token", "login"])
def test_credentials_come_from_where_the_client_of_kaggle_takes_them(
    place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    if place == "environment":
        monkeypatch.setenv("KAGGLE_USERNAME", USER)
        monkeypatch.setenv("KAGGLE_KEY", KEY)
    else:
        folder = tmp_path / "home" / (".kaggle" if place in ("access token", "login") else place)
        folder.mkdir(parents=True)
        if place == "access token":
            (folder / "access_token").write_text(TOKEN + "\n")
        elif place == "login":
            login = {
                "refresh_token": KEY,
                "access_token": TOKEN,
                "access_token_expiration": "2999-01-01T00:00:00+00:00",
            }
            (folder / "credentials.json").write_text(json.dumps(login))
        else:
            (folder / "kaggle.json").write_text(json.dumps({"username": USER, "key": KEY}))
        if place == "chosen":
            monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(folder))
    with connect("houses", Console(quiet=True)) as link:
        assert ask_facts(link)["slug"] == "houses"


def test_a_damaged_key_file_is_named_but_not_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    folder = tmp_path / "home" / ".kaggle"
    folder.mkdir()
    (folder / "kaggle.json").write_text(f'{{"username": "ann", "key": "{KEY}"')
    with pytest.raises(KaggleError) as caught, connect("houses", Console(quiet=True)):
        pass
    assert "kaggle.json is not valid JSON" in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("failure", "message", "page"),
    [
        (Failure(401, "Unauthenticated"), "does not take these credentials", "/settings"),
        (Failure(403, "You must accept this competition's rules"), "rules of houses are not accepted", "/houses/rules"),
        (Failure(403, "Permission denied"), "does not let you", "/houses/rules"),
        (Failure(403, "<html>", html=True), "does not let you", "/houses/rules"),
        (Failure(404, "Not found"), "has no competition 'houses'", "/competitions/houses"),
        (Failure(400, "Submission not allowed: limit reached"), "limit reached", "/houses/submissions"),
    ],
)
def test_a_refusal_says_what_to_do(link: Link, kaggle: Kaggle, failure: Failure, message: str, page: str) -> None:
    kaggle.fail("GetCompetition", failure)
    error = refusal(link)
    assert message in str(error)
    assert page in error.hint
    assert kaggle.asked("GetCompetition") == 1


def test_a_secret_that_is_echoed_is_not_told(link: Link, kaggle: Kaggle) -> None:
    said = f"token {TOKEN} is bad; see https://x.org/a?X-Goog-Signature=abc"
    kaggle.fail("GetCompetition", Failure(401, said))
    assert "token [hidden] is bad; see https://x.org/a" in str(refusal(link))


@pytest.mark.parametrize(
    "failure",
    [
        Failure(429, headers=BUSY),
        Failure(500),
        Failure(503, headers=BUSY),
        Failure(502, "<h1>", html=True),
        Failure(cut=0),
    ],
)
def test_what_passes_is_asked_again(link: Link, kaggle: Kaggle, failure: Failure) -> None:
    kaggle.fail("GetCompetition", failure, failure)
    assert ask_facts(link)["title"] == "Houses"
    assert kaggle.asked("GetCompetition") == 3


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (Failure(429, headers=BUSY), "asked too often"),
        (Failure(503), "error (503)"),
        (Failure(cut=0), "did not answer"),
    ],
)
def test_what_does_not_pass_is_told(link: Link, kaggle: Kaggle, failure: Failure, message: str) -> None:
    kaggle.fail("GetCompetition", *[failure] * client.ATTEMPTS)
    error = refusal(link)
    assert message in str(error)
    assert "https://www.kaggle.com" in error.hint
    assert kaggle.asked("GetCompetition") == client.ATTEMPTS


def test_a_very_long_wait_is_told_and_not_sat_out(link: Link, kaggle: Kaggle) -> None:
    kaggle.fail("GetCompetition", Failure(429, headers={"Retry-After": "3600"}))
    assert "wants 3600 s of rest" in str(refusal(link))
    assert kaggle.asked("GetCompetition") == 1


def test_a_login_page_in_place_of_an_answer(link: Link, kaggle: Kaggle) -> None:
    page = Failure(200, "<html>Log in to the hotel's network</html>", html=True)
    kaggle.fail("GetCompetition", *[page] * client.ATTEMPTS)
    assert "not in the form" in str(refusal(link))


def test_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "TEST")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # where nobody listens
        lead_to(taken.getsockname()[1])
        with (
            connect("houses", Console(quiet=True)) as link,
            pytest.raises(UnansweredError, match=r"localhost:\d+ did not answer") as caught,
        ):
            link.once(link.api.get_competition, request("GetCompetition", competition_name="houses"))
        assert "network" in caught.value.hint
        assert "https://www.kaggle.com" in caught.value.hint


def test_an_environment_that_the_sdk_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "NOWHERE")
    with pytest.raises(ConfigError, match="NOWHERE"), connect("houses", Console(quiet=True)):
        pass

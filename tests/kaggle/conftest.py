"""The small Kaggle and a connection to it."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from kaggle_address import lead_to
from kaggle_process import PORT
from kaggle_server import KEY, SIGNATURE, TOKEN, USER, Kaggle, start

from pipeline.engine.console import Console
from pipeline.kaggle import client
from pipeline.kaggle.client import Link, connect


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Kaggle]:
    """The server's state; the environment leads the SDK to it, and nowhere else.

    Afterwards no secret may stand in any file that the test left (logs, ledger, MLflow's database and artifacts), nor
    in what libraries log at their most talkative.
    """
    caplog.set_level(logging.DEBUG)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "TEST")
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    monkeypatch.setattr(client, "FIRST_WAIT_SECONDS", 0.0)
    server = start(state := Kaggle())
    lead_to(state.port)
    monkeypatch.setenv(PORT, str(state.port))
    yield state
    server.shutdown()
    server.server_close()
    assert places_of_secrets(tmp_path, besides=home) == []
    assert not [secret for secret in (TOKEN, KEY) if secret in caplog.text]


def places_of_secrets(folder: Path, besides: Path) -> list[Path]:
    """Return the files below a folder that hold a secret, whole or as it is sent, but for the user's own."""
    basic = base64.b64encode(f"{USER}:{KEY}".encode())
    secrets = [TOKEN.encode(), KEY.encode(), SIGNATURE.encode(), basic]
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_relative_to(besides)]
    return [path for path in files if any(secret in path.read_bytes() for secret in secrets)]


@pytest.fixture
def link(kaggle: Kaggle) -> Iterator[Link]:  # noqa: ARG001
    """A connection to the competition `houses`, which a test puts on the server."""
    with connect("houses", Console(quiet=True)) as opened:
        yield opened

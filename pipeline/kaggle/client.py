"""The connection to Kaggle by its official SDK: credentials from where its client takes them, patience, clear refusals.

Credentials are never kept by anything of ours: what is found is handed to the SDK, and no message or traceback has it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError, Interrupted, KaggleError, UnansweredError
from pipeline.kaggle.refusals import SETTINGS, understand
from pipeline.log import Log

CONNECT_SECONDS, READ_SECONDS = 15, 90
"""The SDK itself waits for ever."""
ATTEMPTS = 5
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 120.0
"""A longer wait that Kaggle asks for is told to the user instead of sat out."""


@dataclass(frozen=True)
class Link:
    """One competition at Kaggle, and the SDK's client, in whose session everything is asked."""

    slug: str
    sdk: Any
    log: Log

    @property
    def api(self) -> Any:
        """The SDK's calls that concern competitions."""
        return self.sdk.competitions.competition_api_client

    def once(self, call: Callable[[Any], Any], request: Any) -> Any:
        """Ask once. Raises KaggleError for a refusal, UnansweredError where it is not known what came of it."""
        import requests

        try:
            return call(request)
        except requests.exceptions.RequestException as error:
            raise understand(error, self.slug) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnansweredError(
                f"Kaggle's answer is not in the form that its SDK expects ({type(error).__name__})",
                hint="does a proxy or a login page stand in between? otherwise a newer kagglesdk may know the form",
            ) from None

    def ask(self, call: Callable[[Any], Any], request: Any) -> Any:
        """Ask, and again where Kaggle is busy or was not reached; only for what may be asked twice."""
        return patiently(lambda: self.once(call, request), self.log)


def patiently(ask: Callable[[], Any], log: Log) -> Any:
    """Call `ask` until it is answered, ATTEMPTS times at most, waiting as long as Kaggle says, or longer each time."""
    for attempt in range(ATTEMPTS - 1):
        try:
            return ask()
        except UnansweredError as error:
            pause(error, attempt, log)
    return ask()


def pause(error: UnansweredError, attempt: int, log: Log) -> None:
    """Wait before the next attempt (from 0); where Kaggle asks for very long, raise the error instead."""
    seconds = FIRST_WAIT_SECONDS * 2**attempt if error.wait_seconds is None else error.wait_seconds
    if seconds > LONGEST_WAIT_SECONDS:
        raise error
    log.info(f"{error}; asking again in {seconds:.0f} s")
    time.sleep(seconds)


@contextmanager
def connect(slug: str, log: Log) -> Iterator[Link]:
    """Open a session for a competition; without credentials a KaggleError that says where they belong.

    An interruption within is raised as Interrupted: everything that goes on here can be taken up again.
    """
    from kagglesdk import KaggleClient

    _check_environment()
    with KaggleClient(**_credentials(), user_agent="kaggle-tabular-pipeline") as client:
        _limit_time(client)
        try:
            yield Link(slug, client, log)
        except KeyboardInterrupt:
            hint = "what is done is kept: the same command goes on from there, and sends nothing twice"
            raise Interrupted("interrupted", hint=hint) from None


def request(kind: str, **fields: Any) -> Any:
    """Return a request that concerns competitions: request("GetCompetition", competition_name="titanic")."""
    from kagglesdk.competitions.types import competition_api_service as types

    return filled(getattr(types, f"Api{kind}Request")(), **fields)


def filled(made: Any, **fields: Any) -> Any:
    """Return an object of the SDK after its fields are set, which it does not take when it is made."""
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def username(link: Link) -> str:
    """Return the name of the user whose credentials these are; Kaggle is asked where only a token is known."""
    from kagglesdk.kaggle_env import get_access_token_from_env
    from kagglesdk.security.types.oauth_service import IntrospectTokenRequest

    if link.sdk.username:
        return str(link.sdk.username)
    token = get_access_token_from_env()[0] or link.sdk.api_token
    found = link.ask(link.sdk.security.oauth_client.introspect_token, filled(IntrospectTokenRequest(), token=token))
    if not found.active or not found.username:
        raise KaggleError("Kaggle knows no user of this token", hint=f"make a new token on {SETTINGS}")
    return str(found.username)


def _limit_time(client: Any) -> None:
    from requests.adapters import HTTPAdapter

    class Impatient(HTTPAdapter):
        def send(self, *arguments: Any, **options: Any) -> Any:
            options["timeout"] = options.get("timeout") or (CONNECT_SECONDS, READ_SECONDS)
            return super().send(*arguments, **options)

    session = client.http_client()._session  # the SDK has no other way to set a time limit
    for scheme in ("https://", "http://"):
        session.mount(scheme, Impatient())


def _check_environment() -> None:
    from kagglesdk.kaggle_env import get_env

    try:
        get_env()
    except Exception as error:  # the SDK raises nothing more particular
        raise ConfigError(str(error), hint="leave KAGGLE_API_ENVIRONMENT unset") from None


def _credentials() -> dict[str, str]:
    """Return what the SDK needs, in the order of Kaggle's client: a token, a user's key, or a login by browser."""
    from kagglesdk.kaggle_env import get_access_token_from_env

    if get_access_token_from_env()[0]:
        return {}  # the SDK finds it itself
    found = _user_and_key() or _logged_in()
    if not found:
        raise KaggleError(
            "no Kaggle credentials found",
            hint=f"make a token on {SETTINGS} and save it in ~/.kaggle/access_token, or set KAGGLE_API_TOKEN",
        )
    return found


def _user_and_key() -> dict[str, str]:
    """Return user name and key from the environment, else from kaggle.json; nothing where one is missing."""
    found: dict[str, Any] = {}
    for folder in _config_folders():
        path = folder / "kaggle.json"
        if path.is_file():
            found = _read_key(path)
            break
    user = os.environ.get("KAGGLE_USERNAME") or found.get("username")
    key = os.environ.get("KAGGLE_KEY") or found.get("key")
    return {"username": str(user), "password": str(key)} if user and key else {}


def _config_folders() -> list[Path]:
    chosen = os.environ.get("KAGGLE_CONFIG_DIR")
    if chosen:
        return [Path(chosen)]
    xdg = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    return [Path("~/.kaggle").expanduser(), xdg / "kaggle"]


def _read_key(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # not told further: its text would quote the file
        found = None
    if not isinstance(found, dict):
        raise KaggleError(f"{path} is not valid JSON", hint=f"download it again from {SETTINGS}") from None
    return found


def _logged_in() -> dict[str, str]:
    """Return the access token of `kaggle auth login`, renewed by the SDK where it has run out."""
    import requests
    from kagglesdk import KaggleClient
    from kagglesdk.kaggle_creds import KaggleCredentials

    try:
        with KaggleClient() as client:
            login = KaggleCredentials.load(client=client)
            token = login.get_access_token() if login else None
    except requests.exceptions.RequestException as error:
        raise understand(error, "") from None
    return {"api_token": token} if token else {}

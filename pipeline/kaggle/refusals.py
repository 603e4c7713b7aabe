"""What Kaggle's refusals mean: a message, the page to open, and never a secret in either."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import KaggleError, UnansweredError

SITE = "https://www.kaggle.com"
SETTINGS = f"{SITE}/settings"
MOST_LETTERS = 300
HIDDEN = "[hidden]"


def page(slug: str, part: str = "") -> str:
    """Return the address of a competition's page."""
    return f"{SITE}/competitions/{slug}{f'/{part}' if part else ''}"


def understand(error: Any, slug: str) -> KaggleError:
    """Return what a failed request means; `error` is a RequestException of the library requests."""
    answer = error.response
    if answer is None:
        return unanswered(error)
    if answer.status_code == 429 or answer.status_code >= 500:
        return _busy(answer)
    said = _said(error)
    told = f"; Kaggle says: {said}" if said else ""
    if answer.status_code == 401:
        hint = f"make a new token on {SETTINGS} and save it in ~/.kaggle/access_token, or set KAGGLE_API_TOKEN"
        return KaggleError(f"Kaggle does not take these credentials (401){told}", hint=hint, status=401)
    if answer.status_code == 403:
        return _forbidden(slug, told)
    if answer.status_code == 404:
        hint = f"the name is the last part of the competition's address: does {page(slug)} open?"
        found = f"Kaggle has no competition '{slug}', or not what was asked of it (404){told}"
        return KaggleError(found, hint=hint, status=404)
    hint = f"is the daily limit reached, or the deadline over? {page(slug, 'submissions')} says"
    return KaggleError(f"Kaggle refused ({answer.status_code}){told}", hint=hint, status=answer.status_code)


def unanswered(error: Exception) -> UnansweredError:
    """Return the error of a request without an answer; what the library says is left out, it has whole addresses."""
    request = getattr(error, "request", None)
    host = urlsplit(request.url).netloc if request is not None else "Kaggle"
    name = type(error).__name__
    hint = f"is there a network, or a proxy in between? does {SITE} open?"
    return UnansweredError(f"{host} did not answer ({name})", hint=hint)


def _forbidden(slug: str, told: str) -> KaggleError:
    if "rule" in told.lower():
        return KaggleError(
            f"the rules of {slug} are not accepted yet (403){told}",
            hint=f"open {page(slug, 'rules')}, accept them, and run the same command again",
            status=403,
        )
    hint = f"accept the rules on {page(slug, 'rules')}, and check the name; some want a verified phone: {SETTINGS}"
    return KaggleError(f"Kaggle does not let you do this with '{slug}' (403){told}", hint=hint, status=403)


def _busy(answer: Any) -> UnansweredError:
    wait = _wait_seconds(answer.headers.get("Retry-After"))
    if answer.status_code == 429:
        later = f" and wants {wait:.0f} s of rest" if wait is not None else ""
        hint = f"try again later; does {SITE} open?"
        return UnansweredError(f"Kaggle was asked too often (429){later}", hint=hint, wait_seconds=wait)
    hint = f"Kaggle has trouble of its own: does {SITE} open?"
    return UnansweredError(f"Kaggle answers with an error ({answer.status_code})", hint=hint, wait_seconds=wait)


def _wait_seconds(header: str | None) -> float | None:
    """Return the seconds of a Retry-After header; one that holds a date is left to our own waits."""
    return float(header) if header is not None and re.fullmatch(r"\d{1,6}", header.strip()) else None


def _said(error: Any) -> str:
    """Return the message of Kaggle's answer on one line, without what we sent to prove who we are."""
    try:
        said = str(json.loads(error.response.text).get("message") or "")
    except (ValueError, AttributeError):
        return ""
    for secret in _secrets(error.response):
        said = said.replace(secret, HIDDEN)
    said = re.sub(r"(https?://[^\s?]+)\?\S*", r"\1", said)  # a signed address is a secret as well
    return " ".join(said.split())[:MOST_LETTERS]


def _secrets(answer: Any) -> list[str]:
    found = []
    for one in (*answer.history, answer):
        kind, _, value = str(one.request.headers.get("Authorization") or "").partition(" ")
        if value:
            found.append(value)
        if kind == "Basic":
            found += _key_of(value)
    return found


def _key_of(basic: str) -> list[str]:
    try:
        return [part for part in [base64.b64decode(basic).decode().partition(":")[2]] if part]
    except (binascii.Error, UnicodeDecodeError):
        return []

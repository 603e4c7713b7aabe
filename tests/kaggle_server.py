"""A small Kaggle on a free port of this machine, to which kaggle_address.py leads the SDK.

It speaks what we use of the API, with failures as scripted: facts, files, limits, upload, submissions and leaderboard
here, datasets and notebooks in kaggle_shelf.py.
"""

from __future__ import annotations

import base64
import io
import json
import re
import threading
import zipfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kaggle_shelf import Refused, Shelf

TOKEN = "KGAT_0123456789abcdef0123456789abcdef"
USER, KEY = "ann", "fedcba9876543210fedcba9876543210"
SIGNATURE = "5ignature0fAn0therSecret"


def archive(files: Mapping[str, bytes | str]) -> bytes:
    """Return a zip archive of files by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


@dataclass
class Competition:
    """One competition as the server knows it; `judge` scores an upload, or raises ValueError with the reason."""

    files: bytes = b""
    facts: dict[str, Any] = field(default_factory=dict)
    rules_accepted: bool = True
    daily_limit: int = 5
    judge: Callable[[bytes], str] = lambda _content: "0.12345"
    polls_until_scored: int = 0
    private: str = ""
    leaderboard: bytes = b""
    submissions: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Failure:
    """What happens instead of an answer: a status, or a connection that ends after `cut` bytes of the body.

    done: whether the work is done all the same, so that only the answer is lost.
    """

    status: int = 0
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    done: bool = False
    html: bool = False


class Kaggle:
    """The server's state: competitions by slug, failures by method, and every request as (method, headers, body).

    on_request is called before a request is worked on, on_answer when the work is done and half of a file is sent.
    port: where it is served.
    """

    def __init__(self) -> None:
        self.port = 0
        self.competitions: dict[str, Competition] = {}
        self.failures: dict[str, list[Failure]] = defaultdict(list)
        self.requests: list[tuple[str, Mapping[str, str], dict[str, Any]]] = []
        self.blobs: dict[str, bytes] = {}
        self.shelf = Shelf(USER, TOKEN)
        self.lock = threading.RLock()
        self.on_request: Callable[[str], None] = lambda _method: None
        self.on_answer: Callable[[str], None] = lambda _method: None

    def fail(self, method: str, *failures: Failure) -> None:
        """Script the next answers to a method; the ones after them are good again."""
        self.failures[method] += failures

    def asked(self, method: str) -> int:
        """Return how often a method was asked for."""
        return sum(name == method for name, _, _ in self.requests)

    def next_failure(self, method: str) -> Failure | None:
        with self.lock:
            return self.failures[method].pop(0) if self.failures[method] else None

    def answer(self, method: str, body: Mapping[str, Any]) -> dict[str, Any] | bytes | str:
        """Return an answer: a dict as JSON, bytes as a file, a str as an address to go to."""
        with self.lock:
            if method == "StartBlobUpload":
                return self._place_for(str(body["name"]))
            if method in self.shelf.methods:
                return self.shelf.answer(method, body, self.blobs)
            if method == "GetSubmission":
                return self._get_submission(body["ref"])
            slug = body.get("competitionName", "")
            if slug not in self.competitions:
                raise Refused(404, f"Competition '{slug}' was not found")
            return getattr(self, f"_{_snake(method)}")(self.competitions[slug], slug, body)

    def _get_competition(self, found: Competition, slug: str, _body: Any) -> dict[str, Any]:
        facts = {"id": 1, "ref": f"https://www.kaggle.com/competitions/{slug}", "title": slug.title()}
        facts |= {"evaluationMetric": "Root Mean Squared Error", "maxDailySubmissions": found.daily_limit}
        return facts | {"deadline": "2030-01-31T23:59:00Z", "userHasEntered": found.rules_accepted} | found.facts

    def _download_data_files(self, found: Competition, slug: str, _body: Any) -> str:
        if not found.rules_accepted:
            raise Refused(403, "You must accept this competition's rules before you can continue")
        # another host than localhost: the session takes the credentials off, as it does on the way to the storage
        return f"http://127.0.0.1:{self.port}/blob/{slug}/files.zip?X-Goog-Signature={SIGNATURE}"

    def _download_leaderboard(self, found: Competition, _slug: str, _body: Any) -> bytes:
        return found.leaderboard

    def _get_submission_limits(self, found: Competition, _slug: str, _body: Any) -> dict[str, Any]:
        today = len(found.submissions)
        return {"numToday": today, "numTotal": today, "numAllowedNow": max(found.daily_limit - today, 0)}

    def _start_submission_upload(self, found: Competition, _slug: str, body: Any) -> dict[str, Any]:
        if not found.rules_accepted:
            raise Refused(403, "You must accept this competition's rules before you can continue")
        return self._place_for(str(body["fileName"]))

    def _place_for(self, name: str) -> dict[str, Any]:
        token = f"blob-{len(self.blobs)}-{name}"
        self.blobs[token] = b""
        return {"token": token, "createUrl": f"http://127.0.0.1:{self.port}/upload/{token}?upload_id={SIGNATURE}"}

    def _create_submission(self, found: Competition, _slug: str, body: Any) -> dict[str, Any]:
        if len(found.submissions) >= found.daily_limit:
            raise Refused(400, "You have reached the daily submission limit")
        token = body["blobFileTokens"]
        ref = 40_000_000 + sum(len(other.submissions) for other in self.competitions.values())
        found.submissions.append(
            {"ref": ref, "content": self.blobs[token], "polls": 0, "date": _now()}
            | {"description": body.get("submissionDescription", ""), "fileName": token.split("-", 2)[2]}
        )
        return {"message": "Successfully submitted", "ref": ref}

    def _list_submissions(self, found: Competition, _slug: str, body: Any) -> dict[str, Any]:
        newest_first = found.submissions[::-1]
        start, size = int(body.get("pageToken") or 0), int(body.get("pageSize") or 20)
        page = [self._shown(found, one) for one in newest_first[start : start + size]]
        return {"submissions": page, "nextPageToken": str(start + size) if start + size < len(newest_first) else ""}

    def _get_submission(self, ref: int) -> dict[str, Any]:
        for found in self.competitions.values():
            for one in found.submissions:
                if one["ref"] == ref:
                    one["polls"] += 1
                    return self._shown(found, one)
        raise Refused(404, "Submission not found")

    def _shown(self, found: Competition, one: dict[str, Any]) -> dict[str, Any]:
        shown = {name: one[name] for name in ("ref", "date", "description", "fileName")} | {"status": "PENDING"}
        if one["polls"] <= found.polls_until_scored:
            return shown
        try:
            scores = {"publicScore": found.judge(one["content"]), "privateScore": found.private}
            return shown | {"status": "COMPLETE"} | {name: score for name, score in scores.items() if score}
        except ValueError as error:
            return shown | {"status": "ERROR", "errorDescription": str(error)}


def start(kaggle: Kaggle) -> ThreadingHTTPServer:
    """Serve a state in a thread; the caller shuts it down."""

    class Handler(_Handler):
        state = kaggle

    server = _Server(("127.0.0.1", 0), Handler)
    kaggle.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_arguments: Any) -> None:
        """Keep quiet of clients that were killed; an answer that is missing fails the test."""


class _Handler(BaseHTTPRequestHandler):
    state: Kaggle
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: Any) -> None:
        """Keep quiet: pytest shows what tests say."""

    def do_POST(self) -> None:
        body = json.loads(self._body() or b"{}")
        method = self.path.rpartition("/")[2]
        failure = self._begin(method, body)
        if not self._known():
            self._send_json(401, {"code": 401, "message": "Unauthenticated"})
            return
        try:
            answer = None if failure and not failure.done else self.state.answer(method, body)
        except Refused as error:
            self._send_json(error.status, {"code": error.status, "message": error.message})
            return
        self.state.on_answer(method)
        if failure:
            self._send_failure(failure)
        elif isinstance(answer, dict):
            self._send_json(200, answer)
        elif isinstance(answer, str):
            self._send(302, b"", {"Location": answer})
        else:
            self._send(200, answer or b"", {"Content-Type": "application/zip"})

    def do_PUT(self) -> None:
        content = self._body()
        failure = self._begin("upload", {})
        token = self.path.partition("?")[0].removeprefix("/upload/")
        if not failure or failure.done:
            self.state.blobs[token] = content
        self.state.on_answer("upload")
        self._send_failure(failure) if failure else self._send_json(200, {})

    def do_GET(self) -> None:
        failure = self._begin("blob", {})
        content = self.state.competitions[self.path.split("/")[2]].files
        tag = f'"{hash(content)}"'
        headers = {"ETag": tag, "Accept-Ranges": "bytes", "Content-Type": "application/zip"}
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        status, offset = 200, 0
        if start and self.headers.get("If-Range") == tag:
            status, offset = 206, int(start[1])
            headers["Content-Range"] = f"bytes {offset}-{len(content) - 1}/{len(content)}"
        if failure and failure.cut is None:
            self._send_failure(failure)
        else:
            self._send(status, content[offset:], headers, failure.cut if failure else None)

    def _begin(self, method: str, body: dict[str, Any]) -> Failure | None:
        self.state.requests.append((method, dict(self.headers), body))
        self.state.on_request(method)
        return self.state.next_failure(method)

    def _known(self) -> bool:
        basic = base64.b64encode(f"{USER}:{KEY}".encode()).decode()
        return self.headers.get("Authorization") in (f"Bearer {TOKEN}", f"Basic {basic}")

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send_failure(self, failure: Failure) -> None:
        if failure.cut is not None:
            self._hang_up()
        elif failure.html:
            self._send(failure.status, failure.message.encode(), {"Content-Type": "text/html", **failure.headers})
        else:
            self._send_json(failure.status, {"code": failure.status, "message": failure.message}, failure.headers)

    def _send_json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, content: bytes, headers: Mapping[str, str], cut: int | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            content = content if cut is None else content[:cut]
            half = len(content) // 2
            self.wfile.write(content[:half])
            self.wfile.flush()
            if self.command == "GET":
                self.state.on_answer("blob")
            self.wfile.write(content[half:])
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client was killed
        if cut is not None:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(2)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.123Z")


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()

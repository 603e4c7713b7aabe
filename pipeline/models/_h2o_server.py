"""A server of H2O for as long as a block lasts: on this machine only, and gone with this process however it ends."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.errors import ModelError

PATIENCE = 120
"""Seconds in which the server must have started."""

UNTIL_WE_ARE_GONE = '"$@" </dev/null & server=$!; cat; kill $server; wait $server'
"""Ends the server when our end of the pipe is closed, which the operating system does for a process that is killed."""


@contextmanager
def server(memory: float, n_threads: int) -> Iterator[Any]:
    """Start Java with so many GB, and yield the package h2o, connected to it.

    Raises ModelError where the package or Java is missing, or the server does not start.
    """
    h2o, java = _found()
    with socket.socket() as free, TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        jar = Path(h2o.__file__).parent / "backend" / "bin" / "h2o.jar"
        limit, log = f"-Xmx{int(memory * 1024)}m", Path(folder) / "log"
        where = ["-ip", "127.0.0.1", "-web_ip", "127.0.0.1", "-port", str(port), "-ice_root", folder]
        command = [java, limit, "-jar", str(jar), *where, "-nthreads", str(n_threads), "-name", f"port-{port}"]
        with log.open("wb") as said:
            process = subprocess.Popen(
                ["sh", "-c", UNTIL_WE_ARE_GONE, "sh", *command], stdin=subprocess.PIPE, stdout=said, stderr=said
            )
        try:
            _connect(h2o, port, process, log)
            yield h2o
        finally:
            with suppress(Exception):
                h2o.connection().close()
            process.communicate()


def _found() -> tuple[Any, str]:
    """Return the package h2o and where Java is."""
    try:
        import h2o
    except ImportError as error:
        hint = ".venv/bin/pip install --constraint constraints.txt --editable '.[h2o]'"
        raise ModelError("models of the kind h2o need the package h2o, which is not installed", hint=hint) from error
    if (java := shutil.which("java")) is None:
        raise ModelError("H2O runs in Java, and there is no `java` here", hint="on Debian: default-jre-headless")
    return h2o, java


def _connect(h2o: Any, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    last = time.monotonic() + PATIENCE
    while time.monotonic() < last:
        failures = (h2o.exceptions.H2OConnectionError, h2o.exceptions.H2OServerError)
        with suppress(*failures), redirect_stdout(StringIO()):  # it recommends a newer version
            h2o.connect(ip="127.0.0.1", port=port, verbose=False, strict_version_check=False)
            h2o.no_progress()
            return
        if process.poll() is not None or "Could not" in log.read_text(errors="replace"):
            break
        time.sleep(0.2)
    said = log.read_text(errors="replace").strip().splitlines()
    raise ModelError(f"H2O's server did not start: {said[-1] if said else 'it says nothing'}", hint="memory = less")

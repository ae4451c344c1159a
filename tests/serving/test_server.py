"""The process: where it listens, and how it ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys

import pytest

import recsys_nn as rn
from recsys_nn.serving.limits import Limits
from recsys_nn.serving.server import serve


def test_a_port_that_is_taken_is_told(runs):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(rn.ConfigError, match=f"cannot listen at 127.0.0.1, port {port}: Address already in use"):
            serve(runs / "svd", host="127.0.0.1", port=port, limits=Limits())


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_request_that_has_begun_is_answered_before_the_end(runs, ending):
    script = "from recsys_nn.cli import main; main()"
    command = [sys.executable, "-c", script, "serve", str(runs / "svd"), "--port", "0"]
    body = b'{"pairs": [["a", "b"]]}'
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = iter(process.stderr.readline, "")
            port = next(int(found[1]) for line in lines if (found := re.search(r"http://127.0.0.1:(\d+)", line)))
            with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
                head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
                client.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body[:5])
                _ask(port)  # later, so that it has also seen the head of the first
                process.send_signal(ending)
                assert any("Shutting down" in line for line in lines)
                client.sendall(body[5:])
                answer = b"".join(iter(lambda: client.recv(4096), b""))
            assert answer.startswith(b"HTTP/1.1 200 OK")
            assert b'"sources":["global"]' in answer
            assert process.wait(20) == 0
        finally:
            process.kill()


def _ask(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"


def test_the_process_keeps_to_its_limits(runs, monkeypatch):
    """So many connections at once; at its end, as long for what has begun as an answer may take, and a second."""
    served = []
    monkeypatch.setattr("uvicorn.Server.run", lambda server, sockets: served.append((server.config, sockets[0])))
    monkeypatch.setattr("recsys_nn.serving.server._set_up_interpreter", lambda: None)
    before = signal.getsignal(signal.SIGTERM)
    try:
        serve(runs / "svd", host="127.0.0.1", port=0, limits=Limits(connections=7, seconds=2.5))
    finally:
        signal.signal(signal.SIGTERM, before)
    ((config, listener),) = served
    assert (config.limit_concurrency, config.timeout_graceful_shutdown) == (7, 3)
    assert (config.access_log, config.server_header, config.proxy_headers) == (False, False, False)
    assert config.log_config["loggers"].keys() > {"recsys_nn.serving", "uvicorn.error"}
    own = {"handlers": ["default"], "level": "INFO", "propagate": False}
    assert config.log_config["loggers"]["recsys_nn.serving"] == own
    assert listener.fileno() == -1  # closed again

"""Downloads that break off, bring wrong bytes or are killed: nothing of them is ever used, and the next one works."""

import hashlib
import socket
import struct
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from recsys_nn.data.datasets import archive as archive_module
from recsys_nn.data.datasets.archive import ArchiveDataset
from recsys_nn.errors import DataError
from tests.data.datasets.tiny import tiny_dataset, zipped
from tests.faults.processes import DONE, forked

RATINGS = "user,item,rating\n" + "".join(f"u{number},i{number},3\n" for number in range(2000))
WHOLE = ["tiny", "tiny/README", "tiny/ratings.csv"]


ARCHIVE = zipped({"tiny/": "", "tiny/README": "two files", "tiny/ratings.csv": RATINGS})


class Server:
    """Answers on this machine as ``send`` does, by default with the whole archive."""

    def __init__(self) -> None:
        self.send: Callable[[BaseHTTPRequestHandler], Any] = lambda answer: self.answer(answer, ARCHIVE)
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.send(self)

            def log_message(self, *args: object) -> None:
                """Not into the output of the tests."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.handle_error = lambda *_: None  # type: ignore[method-assign]  # of clients that are killed
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @staticmethod
    def answer(answer: BaseHTTPRequestHandler, content: bytes, *, length: int | None = None) -> None:
        """With this content, having announced its length or, where it is 0, none."""
        answer.send_response(200)
        if length != 0:
            answer.send_header("Content-Length", str(length or len(content)))
        answer.end_headers()
        answer.wfile.write(content)

    def dataset(self, content: bytes = ARCHIVE) -> ArchiveDataset:
        return tiny_dataset(f"http://127.0.0.1:{self.http.server_port}", hashlib.sha256(content).hexdigest())


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("RECSYS_NN_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "recsys_nn"


def below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def breaks_off(after: int, length: int | None = None) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda answer: Server.answer(answer, ARCHIVE[:after], length=length)


def resets(answer: BaseHTTPRequestHandler) -> None:
    """Ends the connection as a server that crashes."""
    Server.answer(answer, ARCHIVE[:1000], length=len(ARCHIVE))
    answer.wfile.flush()
    answer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


FAILING: dict[str, tuple[Callable[[BaseHTTPRequestHandler], Any], str]] = {
    "nothing": (lambda answer: None, "closed connection without response|Remote end closed"),
    "an end before the first byte": (breaks_off(0, len(ARCHIVE)), "0 bytes read, .* more expected"),
    "an end in the middle": (breaks_off(9000, len(ARCHIVE)), "9000 bytes read, .* more expected"),
    "an end before the last byte": (breaks_off(len(ARCHIVE) - 1, len(ARCHIVE)), "bytes read, 1 more expected"),
    "an end of a content without length": (breaks_off(9000, 0), "SHA256 hash .* does not match the known"),
    "a crash of the server": (resets, "Connection reset|bytes read, .* more expected"),
    "a bit that is another": (
        lambda answer: Server.answer(answer, ARCHIVE[:5000] + bytes([ARCHIVE[5000] ^ 1]) + ARCHIVE[5001:]),
        "SHA256 hash .* does not match the known",
    ),
    "something behind": (
        lambda answer: Server.answer(answer, ARCHIVE + b"x"),
        "SHA256 hash .* does not match the known",
    ),
    "an error": (lambda answer: answer.send_error(503), "503"),
    "another place that is not served": (
        lambda answer: (
            answer.send_response(302),
            answer.send_header("Location", "file:///etc/passwd"),
            answer.end_headers(),
        ),
        "No connection adapters were found for .file:",
    ),
}


@pytest.mark.parametrize(("send", "problem"), FAILING.values(), ids=FAILING)
def test_what_fails_leaves_nothing_and_is_told_and_the_next_one_works(server, cache, send, problem):
    works, server.send = server.send, send
    with pytest.raises(DataError, match=f"^tiny-films could not be downloaded from .*({problem})"):
        server.dataset().load()
    assert below(cache) == []
    server.send = works
    assert len(server.dataset().load()) == 2000
    assert below(cache) == WHOLE


def test_after_a_kill_at_any_moment_there_is_all_or_nothing_and_the_next_one_works(server, cache):
    def drips(answer: BaseHTTPRequestHandler) -> None:
        Server.answer(answer, b"", length=len(ARCHIVE))
        for first in range(0, len(ARCHIVE), 2048):
            answer.wfile.write(ARCHIVE[first : first + 2048])
            time.sleep(0.005)

    works, server.send = server.send, drips
    final, drafts = cache / "tiny", set()
    for number in range(100):
        ended = forked(server.dataset().locate, killed_after=number * 0.01)
        assert (below(final) == ["README", "ratings.csv"]) == (ended == DONE or final.exists())
        drafts |= set(cache.glob(".tiny.*"))
        if ended == DONE:
            break
    assert len(drafts) >= 3
    server.send = works
    assert len(server.dataset().load()) == 2000
    assert below(cache) == WHOLE


def test_a_server_that_never_ends_is_cut_off(server, cache, monkeypatch):
    def sends_forever(answer: BaseHTTPRequestHandler) -> None:
        Server.answer(answer, b"", length=0)
        while True:
            answer.wfile.write(bytes(1 << 16))

    monkeypatch.setattr(archive_module, "_MAX_BYTES", 1 << 20)
    server.send = sends_forever
    with pytest.raises(DataError, match="there are more than 1,048,576 bytes"):
        server.dataset().load()
    assert below(cache) == []


class TestArchives:
    """Archives with the right checksum."""

    def refused(self, server: Server, cache: Path, content: bytes, problem: str) -> None:
        server.send = lambda answer: Server.answer(answer, content)
        with pytest.raises(DataError, match=f"tiny-films could not be downloaded .*{problem}"):
            server.dataset(content).load()
        assert below(cache) == []

    def test_a_member_that_is_larger_than_it_says(self, server, cache):
        content = zipped({"tiny/ratings.csv": RATINGS}, zipfile.ZIP_DEFLATED)
        size = struct.pack("<I", len(RATINGS))
        assert content.count(size) == 2
        self.refused(server, cache, content.replace(size, struct.pack("<I", 10)), "Bad CRC-32")

    def test_a_damaged_member(self, server, cache):
        self.refused(server, cache, ARCHIVE.replace(b"two files", b"two fires"), "Bad CRC-32")

    def test_a_member_that_is_cut_off(self, server, cache):
        content = zipped({"tiny/ratings.csv": RATINGS}, zipfile.ZIP_DEFLATED)
        damaged = bytearray(content)
        damaged[60:90] = bytes(30)
        self.refused(server, cache, bytes(damaged), "(invalid|incorrect|Error -3|Bad CRC)")

    def test_files_beside_the_folder_are_left_out(self, server, cache):
        content = zipped({"tiny/ratings.csv": RATINGS, "other/x": "x", "y": "y", "tinyz/z": "z"})
        server.send = lambda answer: Server.answer(answer, content)
        server.dataset(content).load()
        assert below(cache) == ["tiny", "tiny/ratings.csv"]

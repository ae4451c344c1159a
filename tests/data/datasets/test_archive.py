"""Finding and downloading, with a small archive from a server on this machine."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pooch
import pytest

from recsys_nn.data.datasets import archive as archive_module
from recsys_nn.data.datasets.archive import ArchiveDataset, cache_folder
from recsys_nn.errors import DataError
from tests.data.datasets.tiny import tiny_dataset, zipped

RATINGS = "user,item,rating\nann,alien,4\nbob,alien,2\n"


@dataclass
class Server:
    """Answers every request with ``content``, having announced ``announced`` bytes of it."""

    address: str
    content: bytes = b""
    announced: int | None = None
    status: int = 200
    silent: threading.Event = field(default_factory=threading.Event)
    requests: int = 0

    def dataset(self, sha256: str | None = None) -> ArchiveDataset:
        return tiny_dataset(self.address, sha256 or hashlib.sha256(self.content).hexdigest())


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests += 1
            if state.silent.is_set():
                wake.wait(10)
                return
            self.send_response(state.status)
            length = len(state.content) if state.announced is None else state.announced
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(state.content)

        def log_message(self, *args: object) -> None:
            """Not into the output of the tests."""

    wake = threading.Event()
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Server(f"http://127.0.0.1:{http.server_port}", zipped({"tiny/ratings.csv": RATINGS}))
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield state
    wake.set()
    http.shutdown()
    http.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache folder, empty."""
    monkeypatch.delenv("RECSYS_NN_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "recsys_nn"


def place(folder: Path, ratings: str = RATINGS) -> None:
    folder.mkdir(parents=True)
    (folder / "ratings.csv").write_text(ratings)


def everything_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


class TestFinding:
    def test_the_folder_that_the_variable_names_comes_first(
        self, server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place(tmp_path / "own" / "tiny", RATINGS.replace("ann", "eve"))
        place(cache / "tiny")
        monkeypatch.setenv("RECSYS_NN_DATA", str(tmp_path / "own"))
        assert server.dataset().load().frame["user"].tolist() == ["eve", "bob"]

    def test_the_cache_comes_second(
        self, server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place(cache / "tiny")
        monkeypatch.setenv("RECSYS_NN_DATA", str(tmp_path / "without-it"))
        assert server.dataset().locate() == cache / "tiny"
        assert server.requests == 0

    @pytest.mark.parametrize("unusable", ["", "relative/path"])
    def test_the_cache_is_in_the_home_folder_by_default(
        self, unusable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        assert cache_folder() == tmp_path / ".cache" / "recsys_nn"

    def test_another_file_is_relative_to_the_folder_or_absolute(
        self, server: Server, cache: Path, tmp_path: Path
    ) -> None:
        place(cache / "tiny")
        for file in (cache / "tiny" / "half.csv", tmp_path / "elsewhere.csv"):
            file.write_text("user,item,rating\nann,alien,4\n")
        dataset = server.dataset()
        assert len(dataset.read("half.csv")) == len(dataset.read(tmp_path / "elsewhere.csv")) == 1
        assert dataset.read("half.csv").scale == (1, 5)

    def test_a_file_that_is_not_there(self, server: Server, cache: Path) -> None:
        place(cache / "tiny")
        with pytest.raises(DataError, match=r"tiny/u9\.base"):
            server.dataset().read("u9.base")


class TestDownloading:
    def test_once_into_the_cache_and_nothing_else(self, server: Server, cache: Path) -> None:
        for _ in range(2):
            assert server.dataset().load().frame["rating"].tolist() == [4.0, 2.0]
        assert server.requests == 1
        assert everything_below(cache) == ["tiny", "tiny/ratings.csv"]

    def test_says_before_what_it_is_and_what_is_allowed(
        self, server: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        server.dataset().load()
        out, err = capsys.readouterr()
        assert out == ""
        assert err.index("2 ratings") < err.index("Everybody may do anything") < err.index("tiny.zip")

    def test_a_process_that_was_faster_is_no_problem(
        self, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        retrieve = pooch.retrieve

        def retrieve_while_another_process_finishes(*args: object, **options: object) -> str:
            place(cache / "tiny")
            return retrieve(*args, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(pooch, "retrieve", retrieve_while_another_process_finishes)
        assert len(server.dataset().load()) == 2
        assert everything_below(cache) == ["tiny", "tiny/ratings.csv"]


class TestFailing:
    """Whatever goes wrong, the error says how to do it by hand, and nothing is left behind."""

    def check(self, dataset: ArchiveDataset, cache: Path, problem: str) -> None:
        whole = (
            f"^tiny-films could not be downloaded from {dataset.url}: .*{problem}.*. To do it by hand, download that "
            f"archive and unpack it so that {cache}/tiny/ratings.csv exists, or unpack it elsewhere and set "
            "RECSYS_NN_DATA to the folder that then holds tiny/ratings.csv$"
        )
        with pytest.raises(DataError, match=whole):
            dataset.load()
        assert everything_below(cache) == []

    def test_no_server(self, server: Server, cache: Path) -> None:
        server.address = "http://127.0.0.1:9"  # the port of the discard service, which nobody runs
        self.check(server.dataset(), cache, "refused")

    def test_an_http_error(self, server: Server, cache: Path) -> None:
        server.status = 404
        self.check(server.dataset(), cache, "404")

    def test_a_silent_server(self, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(archive_module, "_TIMEOUT", 0.1)
        server.silent.set()
        self.check(server.dataset(), cache, "timed out")

    def test_a_connection_that_is_cut_off(self, server: Server, cache: Path) -> None:
        server.announced = 1_000_000
        self.check(
            server.dataset(),
            cache,
            f"IncompleteRead.{len(server.content)} bytes read, {1_000_000 - len(server.content)} more expected",
        )

    def test_another_checksum(self, server: Server, cache: Path) -> None:
        actual = hashlib.sha256(server.content).hexdigest()
        self.check(server.dataset(sha256="0" * 64), cache, f"expected sha256:0000.* but got {actual}")

    def test_no_zip_archive(self, server: Server, cache: Path) -> None:
        server.content = b"<html>Please log in</html>"
        self.check(server.dataset(), cache, "not a zip file")

    def test_an_archive_without_the_ratings(self, server: Server, cache: Path) -> None:
        server.content = zipped({"tiny/README": "nothing"})
        self.check(server.dataset(), cache, "the archive holds no tiny/ratings.csv")

    def test_a_folder_in_the_way_stays_as_it_is(self, server: Server, cache: Path) -> None:
        (cache / "tiny").mkdir(parents=True)
        (cache / "tiny" / "notes.txt").write_text("mine")
        with pytest.raises(DataError, match="not empty"):
            server.dataset().load()
        assert everything_below(cache) == ["tiny", "tiny/notes.txt"]

    def test_a_cache_that_cannot_be_written(self, server: Server, cache: Path) -> None:
        cache.parent.mkdir()
        cache.write_text("a file, not a folder")
        with pytest.raises(DataError, match="could not be downloaded"):
            server.dataset().load()

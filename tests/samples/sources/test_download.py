import functools
import hashlib
import http.server
import threading
import zipfile
from typing import ClassVar

import numpy as np
import pytest

from bloodseg_lib.samples.sources import download

DATA = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves ``files``; breaks off after ``break_after`` bytes once."""

    files: ClassVar[dict] = {}
    break_after = None
    asked: ClassVar[list] = []

    def do_GET(self):
        data = self.files.get(self.path)
        self.asked.append(self.path)
        if data is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.break_after is not None:
            data, type(self).break_after = data[: self.break_after], None
        self.wfile.write(data)

    def do_HEAD(self):
        self.send_response(200 if self.path in self.files else 404)
        self.send_header("Content-Length", str(len(self.files.get(self.path, b""))))
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    handler = type("H", (Handler,), {"files": {"/cells.bin": DATA}, "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(
            target=functools.partial(running.serve_forever, poll_interval=0.01)
        )
        thread.start()
        handler.url = f"http://127.0.0.1:{running.server_address[1]}"
        yield handler
        running.shutdown()
        thread.join()


def retrieve(server, path, sha256=SHA256, name="cells.bin"):
    return download.retrieve(f"{server.url}/{name}", path, sha256, progress=False)


def test_a_file_comes_as_it_is(server, tmp_path):
    assert retrieve(server, tmp_path / "new" / "a.bin").read_bytes() == DATA


def test_a_file_that_is_there_is_not_fetched_again(server, tmp_path):
    retrieve(server, tmp_path / "a.bin")
    retrieve(server, tmp_path / "a.bin")
    assert len(server.asked) == 1


def test_a_file_of_another_sha256_is_fetched_again(server, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"an older version")
    assert retrieve(server, tmp_path / "a.bin").read_bytes() == DATA


def test_a_broken_download_leaves_no_file_and_can_be_repeated(server, tmp_path):
    server.break_after = 100_000
    with pytest.raises(
        OSError, match=r"cells\.bin: cannot be fetched .* Run the same command again"
    ):
        retrieve(server, tmp_path / "a.bin", sha256="")
    assert list(tmp_path.iterdir()) == []
    assert retrieve(server, tmp_path / "a.bin").read_bytes() == DATA


def test_a_corrupted_file_is_refused_and_deleted(server, tmp_path):
    server.files["/cells.bin"] = DATA[:-1] + b"x"
    with pytest.raises(
        ValueError,
        match=rf"cells\.bin: .* expected {SHA256} but got [0-9a-f]{{64}}.*Fetch it again",
    ):
        retrieve(server, tmp_path / "a.bin")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_on_the_server_is_named(server, tmp_path):
    with pytest.raises(OSError, match=r"none\.bin: cannot be fetched \(404"):
        retrieve(server, tmp_path / "a.bin", name="none.bin")


def test_a_file_larger_than_the_disk_is_refused_before_it_is_fetched(server, tmp_path, full_disk):
    with pytest.raises(OSError, match=r"expected 0 MiB of disk for the file. Received 0 MiB free"):
        retrieve(server, tmp_path / "a.bin")
    assert server.asked == []


def test_a_server_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OSError, match=r"a\.zip: cannot be fetched .*get the file by hand"):
        download.retrieve("http://127.0.0.1:9/a.zip", tmp_path / "a.zip", progress=False)


def test_other_addresses_are_refused(tmp_path):
    with pytest.raises(ValueError, match="begins with http"):
        download.retrieve("file:///etc/hostname", tmp_path / "a")


class TestFetch:
    @pytest.fixture
    def archive(self, server, tmp_path):
        path = tmp_path / "made.zip"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("segmentation_WBC-master/Dataset 1/001.bmp", DATA)
        server.files["/z.zip"] = path.read_bytes()
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def fetch(self, server, folder, **options):
        return download.fetch("zheng", folder, f"{server.url}/z.zip", progress=False, **options)

    def test_an_archive_is_unpacked(self, server, archive, tmp_path):
        root = self.fetch(server, tmp_path / "out", sha256=archive)
        assert root.name == "segmentation_WBC-master"
        assert (root / "Dataset 1" / "001.bmp").read_bytes() == DATA

    def test_what_cannot_be_checked_must_be_asked_for(self, server, archive, tmp_path, capsys):
        with pytest.raises(ValueError, match=r"sha256 is not known.*--sha256.*--unchecked"):
            self.fetch(server, tmp_path / "out")
        assert self.fetch(server, tmp_path / "out", unchecked=True).is_dir()
        assert archive in capsys.readouterr().out

    def test_a_damaged_archive_leaves_no_folder(self, server, archive, tmp_path):
        whole = server.files["/z.zip"]
        server.files["/z.zip"] = whole[:1000] + bytes(100) + whole[1100:]
        with pytest.raises(ValueError, match=r"z\.zip: expected a zip archive"):
            self.fetch(server, tmp_path / "out", unchecked=True)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["z.zip"]

    def test_an_archive_larger_than_the_disk_is_not_unpacked(
        self, server, archive, tmp_path, request
    ):
        retrieve(server, tmp_path / "out" / "z.zip", archive, "z.zip")
        request.getfixturevalue("full_disk")
        with pytest.raises(OSError, match="for the unpacked archive"):
            self.fetch(server, tmp_path / "out", sha256=archive)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["z.zip"]

    @pytest.mark.parametrize("key", ["lisc", "iumc", "mamic"])
    def test_what_must_be_fetched_by_hand_is_told(self, tmp_path, key):
        with pytest.raises(
            ValueError, match=rf"by hand from http.*unpack it so that it holds .*{key}=FOLDER"
        ):
            download.fetch(key, tmp_path)

    def test_kaggle_without_its_package_tells_what_to_install(self, tmp_path, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "kagglehub", None)
        with pytest.raises(
            ValueError, match=r"pip install kagglehub.*by hand from https://www.kaggle.com"
        ):
            download.fetch("kaggle", tmp_path)

    def test_kaggle_through_its_package(self, tmp_path, monkeypatch):
        class Hub:
            dataset_download = staticmethod(lambda name: str(tmp_path / name.split("/")[1]))

        monkeypatch.setitem(__import__("sys").modules, "kagglehub", Hub)
        assert download.fetch("kaggle", tmp_path).name == "cell-images-for-detecting-malaria"

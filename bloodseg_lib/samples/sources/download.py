"""Fetches a database with pooch: checked against its sha256, unpacked completely or not at all."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import tempfile
import urllib.parse
import urllib.request
import zipfile
import zlib
from pathlib import Path

import pooch
from tqdm.auto import tqdm

from bloodseg_lib.runs import check_room
from bloodseg_lib.samples.sources import catalog
from bloodseg_lib.samples.sources.database_entry import DatabaseEntry

KAGGLE = "kaggle:"
TIMEOUT_S = 60


def fetch(
    key: str,
    folder: Path | str,
    url: str = "",
    sha256: str = "",
    unchecked: bool = False,
    progress: bool = True,
) -> Path:
    """Fetch a database into a folder.

    Args:
        key: of the database, see :mod:`bloodseg_lib.samples.sources.catalog`.
        folder: where to; made if needed.
        url: an address other than the catalogue's.
        sha256: of the file, where the catalogue has none.
        unchecked: take a file whose sha256 nobody published.
        progress: show a progress bar.

    Returns:
        the folder to give to the database's reader.

    Raises:
        ValueError: the database must be fetched by hand, its sha256 is not known, or the file has
            another, or is a damaged archive.
        OSError: the file cannot be fetched, or the disk has no room for it.
    """
    entry = catalog.entry(key)
    download = entry.download
    url = url or (download.url if download else "")
    if not url:
        raise ValueError(
            f"{entry.title}: there is no file to fetch automatically. "
            f"Get it by hand from {entry.url or 'where you have it'}, unpack it so that it holds "
            f"{entry.layout}, and give that folder to the command bank, as {key}=FOLDER."
        )
    if url.startswith(KAGGLE):
        return _from_kaggle(url.removeprefix(KAGGLE), entry)
    sha256 = (sha256 or (download.sha256 if download and url == download.url else "")).lower()
    if not sha256 and not unchecked:
        reason = f" ({download.note})" if download and download.note else ""
        raise ValueError(
            f"{url}: its sha256 is not known{reason}, so that the file cannot be checked. Give it "
            "(--sha256), or take the file as it comes (--unchecked); its sha256 is then shown, so "
            "that others can get the same."
        )
    name = Path(urllib.parse.urlsplit(url).path).name or f"{key}.zip"
    archive = retrieve(url, Path(folder) / name, sha256, progress)
    if not sha256:
        tqdm.write(f"{archive}: sha256 {pooch.file_hash(archive)}, not checked.")
    return _unpacked(archive, Path(folder) / key) if zipfile.is_zipfile(archive) else archive.parent


def retrieve(url: str, path: Path | str, sha256: str = "", progress: bool = True) -> Path:
    """Download one file.

    Args:
        url: of ``http`` or ``https``.
        path: where to; a file with that sha256 that is there already is not fetched again.
        sha256: expected of the file; empty: not checked.
        progress: show a progress bar.

    Raises:
        ValueError: the file has another sha256.
        OSError: the server cannot be reached, does not have the file, or broke off.
    """
    path = Path(path)
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url}: expected an address that begins with http:// or https://.")
    pooch.get_logger().setLevel("WARNING")
    if not path.exists():
        check_room(path.parent, _length(url), "the file")
    try:
        downloader = pooch.HTTPDownloader(progressbar=progress, timeout=TIMEOUT_S)
        pooch.retrieve(url, sha256.lower() or None, path.name, path.parent, downloader=downloader)
    except OSError as error:
        raise OSError(
            f"{url}: cannot be fetched ({error}). "
            "Run the same command again, or get the file by hand."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"{url}: {error} Fetch it again, and if that does not help, get it by hand."
        ) from error
    return path


def _length(url: str) -> int:
    """Bytes of a file that a server has; 0 where it does not say."""
    request = urllib.request.Request(url, method="HEAD")
    with (
        contextlib.suppress(OSError, ValueError, http.client.HTTPException),
        urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer,
    ):
        return int(answer.headers["Content-Length"] or 0)
    return 0


def _unpacked(archive: Path, folder: Path) -> Path:
    """The only folder of a zip archive, else ``folder``, which exists when all of it is unpacked.

    ``pooch.Unzip`` would take a folder that a killed run left half unpacked for a complete one.
    """
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as temporary:
            whole = Path(temporary) / folder.name
            whole.mkdir()
            try:
                with zipfile.ZipFile(archive) as file:
                    unpacked = sum(entry.file_size for entry in file.infolist())
                check_room(folder, unpacked, "the unpacked archive")
                shutil.unpack_archive(archive, whole, "zip")
            except (zipfile.BadZipFile, zlib.error, shutil.ReadError) as error:
                raise ValueError(
                    f"{archive}: expected a zip archive, received one that cannot be unpacked "
                    f"({error}). Delete it and fetch it again."
                ) from error
            whole.replace(folder)
    inside = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _from_kaggle(dataset: str, entry: DatabaseEntry) -> Path:
    try:
        import kagglehub
    except ImportError as error:
        raise ValueError(
            f"{entry.title}: expected the package kagglehub, which fetches it. Install it with "
            f"`pip install kagglehub`, or get the archive by hand from {entry.url} and unpack it "
            f"so that it holds {entry.layout}."
        ) from error
    return Path(kagglehub.dataset_download(dataset))

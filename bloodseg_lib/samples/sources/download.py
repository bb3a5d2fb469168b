"""Fetching a database: resumed where it was stopped, checked against its digest, unpacked as a
whole or not at all.

Taught by ``notebooks/01_dataset_creation.ipynb``.
"""

from __future__ import annotations

import hashlib
import http.client
import shutil
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

from tqdm.auto import tqdm

from bloodseg_lib.samples.sources import catalog

KAGGLE = "kaggle:"
PART = ".part"
CHUNK = 1 << 20
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
        url: from where, if not from where the catalogue says.
        sha256: of the file, if the catalogue does not know it.
        unchecked: take a file whose digest nobody knows.
        progress: show a progress bar.

    Returns:
        the folder to give to the database's reader.

    Raises:
        ValueError: the database must be fetched by hand, its digest is not known, or what came is
            not what was expected.
        OSError: the server cannot be reached.
    """
    entry = catalog.entry(key)
    download = entry.download
    url = url or (download.url if download else "")
    if not url:
        raise ValueError(
            f"{entry.title}: there is no file to fetch automatically. Get it by hand from {entry.url or 'where you have it'}, unpack it so that it holds "
            f"{entry.layout}, and give that folder to the command bank, as {key}=FOLDER."
        )
    if url.startswith(KAGGLE):
        return _from_kaggle(url.removeprefix(KAGGLE), entry)
    sha256 = (sha256 or (download.sha256 if download and url == download.url else "")).lower()
    if not sha256 and not unchecked:
        raise ValueError(
            f"{url}: its sha256 is not known{f' ({download.note})' if download and download.note else ''}, so that what comes cannot be checked. Give it "
            "(--sha256), or take the file as it comes (--unchecked); its sha256 is then shown, so that others can get the same."
        )
    archive = retrieve(
        url,
        Path(folder) / (Path(urllib.parse.urlsplit(url).path).name or f"{key}.zip"),
        sha256,
        progress,
    )
    if not sha256:
        tqdm.write(f"{archive}: sha256 {_digest(archive)}, not checked.")
    return unpack(archive, Path(folder) / key) if zipfile.is_zipfile(archive) else archive.parent


def retrieve(url: str, path: Path | str, sha256: str = "", progress: bool = True) -> Path:
    """Download one file. What an interrupted download left is kept beside it and gone on with.

    Args:
        url: of ``http`` or ``https``.
        path: where to; a file that is there already with that digest is not fetched again.
        sha256: what it must have; empty: not checked.
        progress: show a progress bar.

    Raises:
        ValueError: another digest, or fewer bytes than the server announced.
        OSError: the server cannot be reached or does not have the file.
    """
    path = Path(path)
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url}: expected an address that begins with http:// or https://.")
    if path.exists() and (not sha256 or _digest(path) == sha256.lower()):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + PART)
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise OSError(
                f"{url}: the server answered {error.code} {error.reason}. Try later, or get the file by hand."
            ) from error
        response = None  # all of it is here already
    except urllib.error.URLError as error:
        raise OSError(
            f"{url}: the server cannot be reached ({error.reason}). Try again: the download goes on where it stopped."
        ) from error
    if response is not None:
        with response:
            resumed = response.status == http.client.PARTIAL_CONTENT
            have = have if resumed else 0  # a server that knows no ranges sends all of it again
            expected = (
                have + int(response.headers["Content-Length"])
                if response.headers["Content-Length"]
                else None
            )
            with (
                open(part, "ab" if resumed else "wb") as file,
                tqdm(
                    total=expected,
                    initial=have,
                    unit="B",
                    unit_scale=True,
                    desc=path.name,
                    disable=not progress,
                ) as bar,
            ):
                try:
                    while block := response.read(CHUNK):
                        file.write(block)
                        bar.update(len(block))
                except (http.client.IncompleteRead, OSError) as error:
                    file.write(getattr(error, "partial", b""))
                    raise OSError(
                        f"{url}: the connection broke. Run the same command again: the download goes on where it stopped."
                    ) from error
        if expected is not None and (size := part.stat().st_size) < expected:
            raise OSError(
                f"{url}: expected {expected} bytes, received {size}. Run the same command again: the download goes on where it stopped."
            )
    if sha256 and (digest := _digest(part)) != sha256.lower():
        part.unlink()
        raise ValueError(
            f"{url}: expected a file of sha256 {sha256.lower()}, received {digest}. It was damaged on the way or is another version, and was deleted: fetch it "
            f"again, and if that does not help, get it by hand."
        )
    part.replace(path)
    return path


def unpack(archive: Path | str, folder: Path | str) -> Path:
    """Unpack a zip archive: ``folder`` is there when all of it is.

    Returns:
        ``folder``, or the only folder in it.

    Raises:
        ValueError: the archive is damaged.
    """
    archive, folder = Path(archive), Path(folder)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unpacking-"))
        try:
            with zipfile.ZipFile(archive) as file:
                if damaged := file.testzip():
                    raise zipfile.BadZipFile(f"{damaged} is damaged")
                file.extractall(temporary)
            temporary.chmod(0o755)  # mkdtemp makes folders that only the owner may read
            temporary.replace(folder)
        except zipfile.BadZipFile as error:
            raise ValueError(
                f"{archive}: expected a zip archive, received one that cannot be unpacked ({error}). Delete it and fetch it again."
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    inside = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _from_kaggle(dataset: str, entry: catalog.DatabaseEntry) -> Path:
    try:
        import kagglehub
    except ImportError as error:
        raise ValueError(
            f"{entry.title}: expected the package kagglehub, which fetches it. Install it with `pip install kagglehub`, or get the archive by hand from "
            f"{entry.url} and unpack it so that it holds {entry.layout}."
        ) from error
    return Path(kagglehub.dataset_download(dataset))


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

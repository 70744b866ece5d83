"""Archives that krew can install, and that come out the same from the same files."""

import gzip
import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path


def pack(folder: Path, archive: Path, epoch: int) -> None:
    """Write folder's files as archive, a .tar.gz, and beside it archive.sha256, as sha256sum writes it.

    Only regular files: krew refuses links in a .tar.gz (internal/download/downloader.go), so what they lead to is
    packed in their place. Sorted, nobody's, all of the same time: the archive says nothing of who made it, and when.
    """
    with (
        archive.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=file, mtime=epoch) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for path in sorted(_files(folder)):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = path.stat().st_size
            entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            entry.mtime = epoch
            with path.open("rb") as content:
                tar.addfile(entry, content)
    archive.with_name(f"{archive.name}.sha256").write_text(f"{sha256(archive)}  {archive.name}\n")


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def sha256(path: Path) -> str:
    """Of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

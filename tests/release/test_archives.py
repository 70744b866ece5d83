"""Archives say nothing of who made them, and when."""

import os
import subprocess
import tarfile
from pathlib import Path

from release.archives import pack


def content(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (folder / "program").chmod(0o700)
    return folder


NAMES = ("program", "lib/b.py", "lib/a.py", "lib.txt")


def test_the_same_files_give_the_same_archive_whenever_and_in_whatever_order_they_were_made(tmp_path: Path) -> None:
    one, other = content(tmp_path / "one", NAMES), content(tmp_path / "other", NAMES[::-1])
    os.utime(other / "lib" / "a.py", (1, 1))
    (other / "lib" / "b.py").chmod(0o600)
    pack(one, tmp_path / "one.tar.gz", 1_700_000_000)
    pack(other, tmp_path / "other.tar.gz", 1_700_000_000)
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "other.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "one.tar.gz") as tar:
        entries = [(entry.name, entry.mode, entry.mtime, entry.uid, entry.uname, entry.isfile()) for entry in tar]
    expected = [("lib.txt", 0o644), ("lib/a.py", 0o644), ("lib/b.py", 0o644), ("program", 0o755)]
    assert sorted(entries) == [(name, mode, 1_700_000_000, 0, "", True) for name, mode in expected]


def test_a_link_is_packed_as_what_it_leads_to(tmp_path: Path) -> None:
    folder = content(tmp_path / "folder", NAMES)
    (folder / "link").symlink_to("lib/a.py")
    pack(folder, tmp_path / "a.tar.gz", 0)
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        link = tar.extractfile("link")
        assert link is not None
        assert link.read() == b"lib/a.py"
        assert [entry.name for entry in tar if not entry.isfile()] == []


def test_sha256sum_takes_the_checksum_beside_it(tmp_path: Path) -> None:
    pack(content(tmp_path / "folder", NAMES), tmp_path / "a.tar.gz", 0)
    done = subprocess.run(
        ["sha256sum", "-c", "a.tar.gz.sha256"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "a.tar.gz: OK\n")

"""krew's manifest from .krew.yaml, as krew-release-bot renders it (pkg/source/template.go), with archives from disk."""

import re
from pathlib import Path

from release.archives import sha256

GITHUB_REPOSITORY = "GITHUB_REPOSITORY"
"""What .krew.yaml has in place of OWNER/NAME; the release workflow fills it in."""

_ARCHIVE = re.compile(r'\{\{\s*addURIAndSha "([^"]+)" \.TagName\s*\}\}')
_TAG = re.compile(r"\{\{\s*\.TagName\s*\}\}")


def rendered(template: str, tag: str, repository: str, folder: Path) -> str:
    """The manifest of a release; folder has the archives, by the last part of their addresses.

    An archive that is not there, since it is made on another machine, gets no checksum: krew refuses the manifest, and
    so does `make krew-check`.
    """

    def archive(match: re.Match[str]) -> str:
        uri = _TAG.sub(tag, match[1])
        path = folder / uri.rpartition("/")[2]
        return f"uri: {uri}\n    sha256: {sha256(path) if path.exists() else 'not-built-here'}"

    return _TAG.sub(tag, _ARCHIVE.sub(archive, template.replace(GITHUB_REPOSITORY, repository)))

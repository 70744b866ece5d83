#!/usr/bin/env python3
"""Makes the testbed's container images (docker-archive tars) from this machine's own files, with no image registry.

usage: images.py BIN_FOLDER CA_FILE OUT_FOLDER

CA_FILE (the CA of the outside world) joins the system's CA bundle in the images of curl and of Istio's proxy:
it plays the public CA that a SIMPLE DestinationRule with `caCertificates: system` trusts.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

Content = bytes | Path | tuple[str, str] | None
"""Of a file in an image: bytes, a file of this machine, ("link", target), or None for a folder."""

TAG = "testbed"
CURL_UID = 101
ISTIO_UID = 1337
LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
APPLETS = (
    "awk base64 cat chmod cp cut date dd df echo env false find grep head hostname id ip kill ln ls "
    "mkdir mv nc nslookup ping printf ps pwd rm sed seq sh sleep sort stat tail tar tee test time "
    "timeout touch tr true uname vi wc wget which xargs"
)


def build(
    out: Path,
    reference: str,
    files: Mapping[str, Content],
    entrypoint: Iterable[str],
    cmd: Iterable[str] = (),
    user: str = "",
) -> None:
    """Writes an image of one layer. files: path in the image → content."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for path, content in sorted(files.items()):
            info = tarfile.TarInfo(path.lstrip("/"))
            info.mode, data = 0o755, b""
            if content is None:
                info.type = tarfile.DIRTYPE
                info.mode = 0o1777 if path == "/tmp" else 0o755
            elif isinstance(content, tuple):
                info.type, info.linkname = tarfile.SYMTYPE, content[1]
            else:
                data = content if isinstance(content, bytes) else content.read_bytes()
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    blob = layer.getvalue()
    digest = hashlib.sha256(blob).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "Entrypoint": list(entrypoint),
                "Cmd": list(cmd),
                "User": user,
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created_by": "images.py"}],
        }
    ).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": name, "RepoTags": [reference], "Layers": [f"{digest}/layer.tar"]}]).encode()
    with tarfile.open(out, "w") as tar:
        for member, data in ((name, config), (f"{digest}/layer.tar", blob), ("manifest.json", manifest)):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def with_libraries(*programs: str) -> dict[str, Content]:
    """Each program with the shared libraries that ldd names."""
    files: dict[str, Content] = {}
    for program in programs:
        files[program] = Path(os.path.realpath(program))
        # ldd fails for a static program, which needs no more.
        listing = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        files |= {word: Path(os.path.realpath(word)) for word in listing.split() if word.startswith("/")}
    return files


def accounts(uid: int, name: str, home: str) -> dict[str, Content]:
    return {
        "/tmp": None,
        "/etc/passwd": f"root:x:0:0:root:/:/bin/sh\n{name}:x:{uid}:{uid}::{home}:/bin/sh\n".encode(),
        "/etc/group": f"root:x:0:\n{name}:x:{uid}:\n".encode(),
        "/etc/nsswitch.conf": b"hosts: files dns\n",
    }


def curl(bundle: bytes) -> dict[str, Content]:
    files = accounts(CURL_UID, "curl_user", "/tmp") | with_libraries("/bin/busybox", "/usr/bin/curl", "/usr/bin/getent")
    files |= {f"/bin/{applet}": ("link", "busybox") for applet in APPLETS.split()}
    # glibc opens these by name when it looks something up; ldd does not see them.
    names = ("libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2")
    files |= {f"/lib/x86_64-linux-gnu/{name}": LIBRARIES / name for name in names}
    return files | {CA_BUNDLE: bundle}


def proxy(binaries: Path, bundle: bytes) -> dict[str, Content]:
    programs = ("/bin/bash", "/sbin/ip", "/usr/sbin/nft", "/usr/sbin/xtables-nft-multi")
    files = accounts(ISTIO_UID, "istio-proxy", "/") | with_libraries(*programs, str(binaries / "envoy"))
    files["/usr/local/bin/envoy"] = files.pop(str(binaries / "envoy"))
    # Only the nft variant: istio-iptables takes the legacy tables if it finds both.
    for family in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            files[f"/usr/sbin/{family}{suffix}"] = ("link", "xtables-nft-multi")
            files[f"/usr/sbin/{family}-nft{suffix}"] = ("link", "xtables-nft-multi")
    for extension in (LIBRARIES / "xtables").glob("*.so"):
        files[str(extension)] = ("link", str(extension.readlink())) if extension.is_symlink() else extension
    return files | {
        "/bin/sh": ("link", "bash"),
        "/usr/local/bin/pilot-agent": binaries / "pilot-agent",
        "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json": binaries / "envoy_bootstrap.json",
        CA_BUNDLE: bundle,
    }


def pilot(binaries: Path, bundle: bytes) -> dict[str, Content]:
    discovery: dict[str, Content] = {"/usr/local/bin/pilot-discovery": binaries / "pilot-discovery"}
    return accounts(ISTIO_UID, "istio-proxy", "/") | discovery | {CA_BUNDLE: bundle}


def main(bin_folder: str, ca: str, out_folder: str) -> None:
    binaries, out = Path(bin_folder), Path(out_folder)
    out.mkdir(parents=True, exist_ok=True)
    bundle = Path(CA_BUNDLE).read_bytes() + Path(ca).read_bytes()
    busybox = with_libraries("/bin/busybox")
    build(out / "pause.tar", "extsvc.test/pause:1", busybox, ["/bin/busybox", "sleep", "infinity"])
    build(out / "coredns.tar", "extsvc.test/coredns:1", {"/coredns": binaries / "coredns"}, ["/coredns"])
    user = f"{CURL_UID}:{CURL_UID}"
    build(out / "curl.tar", f"docker.io/curlimages/curl:{TAG}", curl(bundle), [], ["sh"], user=user)
    # istiod runs with runAsNonRoot and no runAsUser: the image must name a numeric user.
    user = f"{ISTIO_UID}:{ISTIO_UID}"
    command = ["/usr/local/bin/pilot-discovery"]
    build(out / "istio-pilot.tar", f"docker.io/istio/pilot:{TAG}", pilot(binaries, bundle), command, user=user)
    command = ["/usr/local/bin/pilot-agent"]
    build(out / "istio-proxyv2.tar", f"docker.io/istio/proxyv2:{TAG}", proxy(binaries, bundle), command, user=user)


if __name__ == "__main__":
    main(*sys.argv[1:])

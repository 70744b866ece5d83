"""Certificates and keys of the outside's servers and of the mesh. They are public: nothing else may ever trust them.

Made by tests/sandbox/make_pki.py.
"""

from importlib.resources import files
from pathlib import Path

FOLDER = Path(str(files(__package__ or ""))) / "pki"

CA = FOLDER / "ca.crt"
"""Signs what the outside's servers show; pods trust it."""
CLIENT = (FOLDER / "client.crt", FOLDER / "client.key")
"""A client's own, for MUTUAL."""
MESH_ROOT = FOLDER / "mesh-root.crt"
WORKLOAD = (FOLDER / "workload.crt", FOLDER / "workload.key")
"""A sidecar's own certificate, of spiffe://cluster.local/ns/default/sa/curl, signed by MESH_ROOT."""


def server(name: str) -> tuple[Path, Path]:
    """Certificate and key of a server: httpbin.org, wikipedia, api.pay.example, apiserver."""
    return FOLDER / f"{name}.crt", FOLDER / f"{name}.key"

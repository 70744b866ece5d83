"""Questions to a sidecar's own admin interface, asked from inside istio-proxy.

pilot-agent is in every proxy image, distroless too, and needs no shell. It prints the answer on stdout and its own log
(INFO GOMEMLIMIT …) on stderr.
"""


def get(path: str) -> tuple[str, ...]:
    """argv of one GET, path and query without the leading slash."""
    return ("pilot-agent", "request", "GET", path)

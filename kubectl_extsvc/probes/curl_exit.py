"""curl's exit codes by name and in words.

Source: curl docs/libcurl/libcurl-errors (numbers never change), docs/cmdline-opts/_EXITCODES.md.
"""

from enum import IntEnum


class CurlExit(IntEnum):
    """Those that a probe can meet."""

    OK = 0
    UNSUPPORTED_PROTOCOL = 1
    """Also "Received HTTP/0.9 when not allowed": what answered does not speak HTTP."""
    FAILED_INIT = 2
    URL_MALFORMAT = 3
    NOT_BUILT_IN = 4
    RESOLVE_PROXY = 5
    RESOLVE_HOST = 6
    CONNECT = 7
    WEIRD_SERVER_REPLY = 8
    HTTP2 = 16
    PARTIAL_FILE = 18
    OUT_OF_MEMORY = 27
    """Also response headers beyond curl's limit, up to 8.5."""
    TIMEOUT = 28
    TLS_CONNECT = 35
    ABORTED = 42
    """By curl, because of another transfer in the same run."""
    PEER_CERTIFICATE_OLD = 51
    """60 in its place since curl 7.62."""
    EMPTY_REPLY = 52
    SEND = 55
    RECEIVE = 56
    CLIENT_CERTIFICATE = 58
    TLS_CIPHER = 59
    PEER_CERTIFICATE = 60
    BAD_ENCODING = 61
    FILE_SIZE = 63
    CA_FILE = 77
    TLS_SHUTDOWN = 80
    PINNED_KEY = 90
    CERTIFICATE_STATUS = 91
    HTTP2_STREAM = 92
    HTTP3 = 95
    QUIC_CONNECT = 96
    TOO_LARGE = 100


MEANING: dict[int, str] = {
    CurlExit.OK: "the transfer came to its end",
    CurlExit.UNSUPPORTED_PROTOCOL: "what answered does not speak HTTP, or curl lacks the protocol",
    CurlExit.FAILED_INIT: "curl did not start",
    CurlExit.URL_MALFORMAT: "the URL cannot be meant",
    CurlExit.NOT_BUILT_IN: "curl was built without this feature",
    CurlExit.RESOLVE_PROXY: "the proxy's name was not resolved",
    CurlExit.RESOLVE_HOST: "the name was not resolved",
    CurlExit.CONNECT: "the connection was refused, or there is no route",
    CurlExit.WEIRD_SERVER_REPLY: "the server's answer could not be understood",
    CurlExit.HTTP2: "HTTP/2 framing error",
    CurlExit.PARTIAL_FILE: "the body was cut short",
    CurlExit.OUT_OF_MEMORY: "the response headers are too large for curl, or it ran out of memory",
    CurlExit.TIMEOUT: "no answer in time",
    CurlExit.TLS_CONNECT: "the TLS handshake failed",
    CurlExit.ABORTED: "ended because of another transfer",
    CurlExit.PEER_CERTIFICATE_OLD: "the server's certificate was not accepted",
    CurlExit.EMPTY_REPLY: "the server closed the connection without an answer",
    CurlExit.SEND: "the request could not be sent",
    CurlExit.RECEIVE: "the connection was reset",
    CurlExit.CLIENT_CERTIFICATE: "the client certificate could not be used",
    CurlExit.TLS_CIPHER: "no usable cipher",
    CurlExit.PEER_CERTIFICATE: "the server's certificate was not accepted",
    CurlExit.BAD_ENCODING: "unknown transfer encoding",
    CurlExit.FILE_SIZE: "the body is larger than allowed",
    CurlExit.CA_FILE: "the CA certificates could not be read",
    CurlExit.TLS_SHUTDOWN: "TLS was not shut down in order",
    CurlExit.PINNED_KEY: "the pinned public key does not match",
    CurlExit.CERTIFICATE_STATUS: "the certificate status was not accepted",
    CurlExit.HTTP2_STREAM: "HTTP/2 stream error",
    CurlExit.HTTP3: "HTTP/3 error",
    CurlExit.QUIC_CONNECT: "the QUIC handshake failed",
    CurlExit.TOO_LARGE: "the response headers are too large for curl",
}

AFTER_CONNECTING = frozenset(
    {
        CurlExit.WEIRD_SERVER_REPLY,
        CurlExit.HTTP2,
        CurlExit.PARTIAL_FILE,
        CurlExit.TLS_CONNECT,
        CurlExit.PEER_CERTIFICATE_OLD,
        CurlExit.EMPTY_REPLY,
        CurlExit.SEND,
        CurlExit.RECEIVE,
        CurlExit.CLIENT_CERTIFICATE,
        CurlExit.TLS_CIPHER,
        CurlExit.PEER_CERTIFICATE,
        CurlExit.CA_FILE,
        CurlExit.TLS_SHUTDOWN,
        CurlExit.PINNED_KEY,
        CurlExit.CERTIFICATE_STATUS,
        CurlExit.HTTP2_STREAM,
    }
)
"""Codes that can only come once there is a TCP connection."""


def meaning(exit_code: int) -> str:
    """What an exit code means, in a few words."""
    return MEANING.get(exit_code, f"curl exit code {exit_code}")

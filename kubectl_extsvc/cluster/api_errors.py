"""What went wrong with a request, in kubectl's words (kubectl pkg/cmd/util/helpers.go, apimachinery api/errors)."""

import asyncio
import errno
import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kubectl_extsvc.errors import ApiError, ClusterError
from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.resources import Json

LONGEST = 4096
"""Characters of a server's message that are shown."""

_GENERIC: dict[int, tuple[str, str]] = {
    400: ("BadRequest", "the server rejected our request for an unknown reason"),
    401: ("Unauthorized", "the server has asked for the client to provide credentials"),
    404: ("NotFound", "the server could not find the requested resource"),
    405: ("MethodNotAllowed", "the server does not allow this method on the requested resource"),
    409: ("Conflict", "the server reported a conflict"),
    422: ("Invalid", "the server rejected our request due to an error in our request"),
    429: ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: (
        "Timeout",
        "the server was unable to return a response in the time allotted, but may still be processing the request",
    ),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a request was about, for messages that the server does not word itself."""

    verb: str
    """HTTP method."""
    resource: str = ""
    """services, destinationrules.networking.istio.io; "" if no resource was meant."""
    name: str = ""

    def __str__(self) -> str:
        return " ".join(word for word in (self.verb.lower(), self.resource, self.name) if word) if self.resource else ""


def refusal(code: int, content_type: str, body: bytes, subject: Subject) -> ApiError:
    """The error of an answer that is not 2xx, whether its body is a metav1.Status or a proxy's HTML."""
    status = _status(body)
    if status is None:
        status = _generic_status(code, content_type, body, subject)
    reason = str(status.get("reason") or "")
    return ApiError(_sentence(status, reason), code=int(status.get("code") or code), reason=reason, status=status)


def status_error(status: Json) -> ApiError:
    """The error of a metav1.Status that came inside a stream (a watch's ERROR event)."""
    reason = str(status.get("reason") or "")
    return ApiError(_sentence(status, reason), code=int(status.get("code") or 0), reason=reason, status=status)


def _status(body: bytes) -> Json | None:
    try:
        parsed: Any = json.loads(body)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) and parsed.get("kind") == "Status" and parsed.get("message") else None


def _generic_status(code: int, content_type: str, body: bytes, subject: Subject) -> Json:
    """apimachinery's NewGenericServerResponse: a Status made up from the HTTP code."""
    said = "unknown"
    if content_type.startswith("text/"):
        said = body[:2048].decode("utf-8", "replace").strip()
    reason, message = _GENERIC.get(
        code, ("", f"the server responded with the status code {code} but did not return more information")
    )
    if code == 403:
        reason, message = "Forbidden", said
    elif code == 409 and subject.verb == "POST":
        reason = "AlreadyExists"
    elif code >= 500 and not reason:
        quoted = json.dumps(said, ensure_ascii=False)
        reason, message = (
            "InternalError",
            f"an error on the server ({quoted}) has prevented the request from succeeding",
        )
    if str(subject):
        message = f"{message} ({subject})"
    return {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}


def _sentence(status: Json, reason: str) -> str:
    message = one_line(str(status.get("message") or "unknown"), LONGEST)
    if reason == "Invalid":
        return _invalid(status, message)
    if reason == "Unauthorized":
        return f"error: You must be logged in to the server ({message})"
    return f"Error from server ({one_line(reason)}): {message}" if reason else f"Error from server: {message}"


def _invalid(status: Json, message: str) -> str:
    details = status.get("details") or {}
    causes = [f"{cause.get('field', '')}: {cause.get('message', '')}" for cause in details.get("causes") or []]
    kind, name = details.get("kind", ""), details.get("name", "")
    if not kind and not name:
        return f"The request is invalid: {message}"
    sentence = f'The {kind} "{name}" is invalid'
    if causes:
        sentence += ": " + "; ".join(dict.fromkeys(causes))
    return one_line(sentence, LONGEST)


def unreachable(error: BaseException, server: str, proxy: str = "") -> ClusterError:
    """The error of a request that got no answer. server and proxy are URLs."""
    import aiohttp

    netloc = urlsplit(server).netloc
    text = str(error)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return _unable(f"proxyconnect tcp: dial tcp {_without_login(proxy)}: {_os_reason(error.os_error)}")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _unable(f"the proxy {_without_login(proxy)} answered {error.status} {error.message}")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return _unable(f"dial tcp: lookup {error.host}: {_lookup_reason(error.os_error)}")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _unable(_certificate_reason(error.certificate_error, server))
    if isinstance(error, aiohttp.ClientSSLError) and isinstance(error, aiohttp.ClientConnectorError):
        return _unable(_tls_reason(error.os_error))
    if isinstance(error, ssl.SSLError):
        return _unable(_tls_reason(error))
    if isinstance(error, aiohttp.ClientConnectorError):
        if error.os_error.errno == errno.ECONNREFUSED or "refused" in str(error.os_error).lower():
            return ClusterError(
                f"The connection to the server {netloc} was refused - did you specify the right host or port?"
            )
        return _unable(f"dial tcp {netloc}: connect: {_os_reason(error.os_error)}")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return _unable(f"dial tcp {netloc}: i/o timeout")
    if isinstance(error, asyncio.TimeoutError):
        return _unable("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return _unable("EOF")
    if isinstance(error, aiohttp.ClientPayloadError):
        return _unable("unexpected EOF")
    if isinstance(error, OSError):
        return _unable(f"{netloc}: {_os_reason(error)}")
    return _unable(text or type(error).__name__)


def _unable(reason: str) -> ClusterError:
    return ClusterError(f"Unable to connect to the server: {one_line(reason, LONGEST)}")


def _without_login(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _os_reason(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__).lower()


def _lookup_reason(error: OSError) -> str:
    """getaddrinfo's reason in Go's words, as far as they exist."""
    text = _os_reason(error)
    missing = ("name or service not known", "nodename nor servname provided", "no address associated")
    return "no such host" if text.startswith(missing) else text


def _certificate_reason(error: Exception, server: str) -> str:
    """crypto/x509's sentence for OpenSSL's verdict (numbers: openssl x509_vfy.h)."""
    code = getattr(error, "verify_code", 0)
    host = urlsplit(server).hostname or ""
    reason = {
        9: "certificate has expired or is not yet valid",
        10: "certificate has expired or is not yet valid",
        18: "certificate signed by unknown authority",
        19: "certificate signed by unknown authority",
        20: "certificate signed by unknown authority",
        21: "certificate signed by unknown authority",
        62: f"certificate is not valid for {host}",
        64: f"certificate is not valid for {host}",
    }.get(code, getattr(error, "verify_message", "") or str(error))
    return f"tls: failed to verify certificate: x509: {reason}"


def _tls_reason(error: OSError) -> str:
    reason = str(getattr(error, "reason", "") or "")
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "http: server gave HTTP response to HTTPS client"
    if "_ALERT_" in reason:
        # TLSV13_ALERT_CERTIFICATE_REQUIRED → remote error: tls: certificate required
        return "remote error: tls: " + reason.split("_ALERT_")[1].replace("_", " ").lower()
    return _os_reason(error)

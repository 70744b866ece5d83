"""Which cluster, as whom, in which namespace: kubectl's answer from the same files, flags and environment.

The rules are those of client-go's clientcmd (loader.go, client_config.go, validation.go); its own words are kept in
errors. What comes out is one context with nothing left to decide: absolute paths, flags applied, defaults filled in.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from kubectl_extsvc.errors import ConfigurationError, UsageError
from kubectl_extsvc.model.resources import Json

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
EXEC_EXTENSION = "client.authentication.k8s.io/exec"
"""Name of the cluster extension whose value a credential plugin gets as its config."""


@dataclass(frozen=True, slots=True)
class ConnectionFlags:
    """kubectl's connection flags; "" means not given. Paths are relative to the working directory."""

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    user: str = ""
    namespace: str = ""
    server: str = ""
    token: str = field(default="", repr=False)
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    client_certificate: str = ""
    client_key: str = ""
    impersonate_user: str = ""
    impersonate_groups: tuple[str, ...] = ()
    impersonate_uid: str = ""
    request_timeout: float | None = None
    """Seconds for one request; None: no wish."""


@dataclass(frozen=True, slots=True)
class Impersonation:
    """As whom the API server shall see us; nobody else if user is ""."""

    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Connection:
    """One cluster, one user, one namespace."""

    config: Json = field(repr=False)
    """A kubeconfig of exactly one context, which has a cluster and a user; may hold credentials."""
    context: str
    """"" if no context was chosen: flags alone, in-cluster, or kubectl's default server."""
    namespace: str
    server: str
    proxy: str = field(default="", repr=False)
    """URL of the proxy on the way to server, from proxy-url or the environment; "" for none."""
    impersonation: Impersonation = Impersonation()
    request_timeout: float | None = None

    @property
    def cluster(self) -> Json:
        cluster: Json = self.config["clusters"][0]["cluster"]
        return cluster

    @property
    def user(self) -> Json:
        user: Json = self.config["users"][0]["user"]
        return user


def parse_request_timeout(text: str) -> float | None:
    """Seconds of --request-timeout: a whole number, or Go's duration like 1s, 2m, 1h30m. None for 0, no limit."""
    seconds = float(text) if re.fullmatch(r"[0-9]+", text) else _go_duration(text)
    if seconds is None:
        raise UsageError(
            "Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a "
            "corresponding time unit (e.g. 1s | 2m | 3h)"
        )
    return seconds or None


def resolve(
    flags: ConnectionFlags, environ: Mapping[str, str], home: str | Path, service_account: Path = SERVICE_ACCOUNT
) -> Connection:
    """What kubectl would connect to, given these flags, in this environment.

    Reads kubeconfig files, and in a pod without one the service account's. Two differences are meant: kubectl forgets
    that it is in a pod when --as or --request-timeout is given, and asks localhost:8080; and it lets a user's tokenFile
    win over --token.

    Raises ConfigurationError; str() is kubectl's sentence without "error: ", or starts with "Error in configuration: ".
    """
    merged = _merge([_load(path) for path in _files(flags, environ, home)])

    context_name = flags.context or merged.current_context
    context = merged.contexts.get(context_name, {})
    cluster_name = flags.cluster or context.get("cluster", "")
    user_name = flags.user or context.get("user", "")
    if flags.user and flags.user not in merged.users:
        raise ConfigurationError(f'auth info "{flags.user}" does not exist')
    if flags.cluster and flags.cluster not in merged.clusters:
        raise ConfigurationError(f'cluster "{flags.cluster}" does not exist')

    default_server = environ.get("KUBERNETES_MASTER", "") or "http://localhost:8080"
    cluster = _cluster(merged.clusters.get(cluster_name, {}), flags, default_server)
    user = _user(merged.users.get(user_name, {}), flags)
    problems = [*_user_problems(user_name, user), *_cluster_problems(cluster_name, cluster)]
    if context_name and context_name not in merged.contexts:
        problems.insert(0, f"context was not found for specified context: {context_name}")
        raise ConfigurationError("Error in configuration: " + "; ".join(problems))
    if problems:
        raise ConfigurationError(("Error in configuration: " if len(problems) > 1 else "") + "; ".join(problems))

    in_pod = _in_pod(environ, service_account)
    if in_pod and cluster["server"] == default_server and "proxy-url" not in cluster:
        cluster, user = _in_cluster(environ, service_account, flags, user)
    cluster["server"] = _server(cluster["server"])
    if not cluster["server"].startswith("https:"):
        # client-go reads no credentials for a server without TLS (client_config.go, IsConfigTransportTLS).
        user = {key: value for key, value in user.items() if key.startswith("as")}
    proxy = cluster.get("proxy-url", "") or environment_proxy(cluster["server"], environ)
    if proxy:
        cluster["proxy-url"] = proxy
    namespace = flags.namespace or context.get("namespace", "")
    if not namespace:
        namespace = (_pod_namespace(environ, service_account) if in_pod else "") or "default"
    return Connection(
        config=_one_context(context_name, (cluster_name, cluster), (user_name, user), namespace),
        context=context_name,
        namespace=namespace,
        server=cluster["server"],
        proxy=proxy,
        impersonation=_impersonation(user),
        request_timeout=flags.request_timeout,
    )


@dataclass(frozen=True, slots=True)
class KnownNames:
    """What --context, --cluster and --user may name, in the files' order."""

    contexts: tuple[str, ...]
    clusters: tuple[str, ...]
    users: tuple[str, ...]


def known_names(flags: ConnectionFlags, environ: Mapping[str, str], home: str | Path) -> KnownNames:
    """Of the kubeconfig files that kubectl would read. Raises ConfigurationError."""
    merged = _merge([_load(path) for path in _files(flags, environ, home)])
    return KnownNames(tuple(merged.contexts), tuple(merged.clusters), tuple(merged.users))


def environment_proxy(url: str, environ: Mapping[str, str]) -> str:
    """The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY ask for on the way to url, "" for none; as Go reads them.

    Unlike Python's own reading, loopback is never sent to a proxy, and NO_PROXY may hold networks: a proxy that is
    right for the internet would cut off a local cluster (golang.org/x/net/http/httpproxy).
    """
    parts = urlsplit(url)
    host, port = (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)
    name = "HTTPS_PROXY" if parts.scheme == "https" else "HTTP_PROXY"
    proxy = environ.get(name, "") or environ.get(name.lower(), "")
    if not proxy or host == "localhost" or (_is_address(host) and ip_address(host).is_loopback):
        return ""
    exceptions = environ.get("NO_PROXY", "") or environ.get("no_proxy", "")
    if any(_excepts(entry.strip().lower(), host, port) for entry in exceptions.split(",") if entry.strip()):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _excepts(entry: str, host: str, port: int) -> bool:
    """Whether one entry of NO_PROXY covers host and port."""
    if entry == "*":
        return True
    if _is_address(host) and "/" in entry:
        try:
            return ip_address(host) in ip_network(entry, strict=False)
        except ValueError:
            return False
    if _is_address(entry.strip("[]")):
        return _is_address(host) and ip_address(entry.strip("[]")) == ip_address(host)
    name, colon, wanted_port = entry.rpartition(":")
    if colon and wanted_port.isdigit():
        entry = name.strip("[]")
        if int(wanted_port) != port:
            return False
    entry = entry.removeprefix("*")
    return host.endswith(entry) if entry.startswith(".") else host == entry or host.endswith("." + entry)


@dataclass(frozen=True, slots=True)
class _File:
    """One kubeconfig file, its relative paths made absolute."""

    clusters: Mapping[str, Json]
    users: Mapping[str, Json]
    contexts: Mapping[str, Json]
    current_context: str


def _files(flags: ConnectionFlags, environ: Mapping[str, str], home: str | Path) -> list[Path]:
    """The files to merge, those that are there, the first one first."""
    if flags.kubeconfig:
        try:
            os.stat(flags.kubeconfig)
        except OSError as error:
            raise ConfigurationError(f"stat {flags.kubeconfig}: {_reason(error)}") from error
        return [Path(flags.kubeconfig)]
    listed = environ.get("KUBECONFIG", "")
    names = dict.fromkeys(name for name in listed.split(os.pathsep) if name) if listed else ()
    paths = [Path(name) for name in names] if listed else [Path(home) / ".kube" / "config"]
    return [path for path in paths if _there(path)]


def _there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # there, but not ours to read: loading it says so
    return True


def _reason(error: OSError) -> str:
    """errno as Go words it: no such file or directory."""
    return (error.strerror or str(error)).lower()


def _load(path: Path) -> _File:
    def refuse(reason: str) -> ConfigurationError:
        return ConfigurationError(f'error loading config file "{path}": {reason}')

    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        verb = "read" if isinstance(error, IsADirectoryError) else "open"
        raise refuse(f"{verb} {path}: {_reason(error)}") from error
    except UnicodeDecodeError as error:
        raise refuse("yaml: invalid leading UTF-8 octet") from error
    document = _parse(text, refuse)
    if document is None:
        return _File({}, {}, {}, "")
    if not isinstance(document, dict):
        raise refuse("it is not a mapping, as a kubeconfig must be")
    version, kind = document.get("apiVersion") or "v1", document.get("kind") or "Config"
    if (version, kind) != ("v1", "Config"):
        raise refuse(f'no kind "{kind}" is registered for version "{version}"')
    current = document.get("current-context") or ""
    if not isinstance(current, str):
        raise refuse("current-context is not a string")
    base = Path(os.path.abspath(path)).parent
    return _File(
        clusters={
            name: _cluster_in_file(entry, base, refuse)
            for name, entry in _named(document, "clusters", "cluster", refuse)
        },
        users={name: _user_in_file(entry, base, refuse) for name, entry in _named(document, "users", "user", refuse)},
        contexts={
            name: _strings(entry, ("cluster", "user", "namespace"), f"context {name}", refuse)
            for name, entry in _named(document, "contexts", "context", refuse)
        },
        current_context=current,
    )


Refuse = Callable[[str], ConfigurationError]


def _parse(text: str, refuse: Refuse) -> object:
    if text.lstrip().startswith("{"):
        # JSON may be indented with tabs, which YAML does not allow.
        try:
            parsed: object = json.loads(text)
        except ValueError:
            pass
        else:
            return parsed
    import yaml

    class Loader(yaml.SafeLoader):
        """Leaves timestamps as the strings they are, as Go does."""

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        return yaml.load(text, Loader=Loader)  # noqa: S506, a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise refuse(f"yaml: {line}{error.problem or error}") from error
    except yaml.YAMLError as error:
        raise refuse(f"yaml: {' '.join(str(error).split())}") from error


def _named(document: Json, plural: str, singular: str, refuse: Refuse) -> Iterator[tuple[str, Json]]:
    """Name and value of each entry of a list in a kubeconfig."""
    entries = document.get(plural) or []
    if not isinstance(entries, list):
        raise refuse(f"{plural} is not a list")
    seen: set[str] = set()
    for entry in entries:
        value = entry.get(singular) or {} if isinstance(entry, dict) else None
        name = entry.get("name") or "" if isinstance(entry, dict) else None
        if not isinstance(value, dict) or not isinstance(name, str):
            raise refuse(f"an entry of {plural} is not a name with a {singular}")
        if name in seen:
            raise refuse(f'duplicate name "{name}" in {plural}')
        seen.add(name)
        yield name, value


def _strings(entry: Json, keys: Sequence[str], what: str, refuse: Refuse) -> Json:
    """entry without empty values, after a look at the types of keys: a YAML number is no token."""
    for key in keys:
        if not isinstance(entry.get(key, ""), str | None):
            raise refuse(f"{key} of {what} is not a string")
    return {key: value for key, value in entry.items() if value not in (None, "", [], {})}


def _base64(entry: Json, keys: Sequence[str], refuse: Refuse) -> None:
    import base64

    for key in keys:
        try:
            base64.b64decode("".join(entry.get(key, "").split()), validate=True)
        except ValueError as error:
            raise refuse(f"illegal base64 data in {key}") from error


def _absolute(entry: Json, keys: Sequence[str], base: Path) -> Json:
    return {key: os.path.normpath(base / value) if key in keys else value for key, value in entry.items()}


def _cluster_in_file(entry: Json, base: Path, refuse: Refuse) -> Json:
    keys = ("server", "tls-server-name", "certificate-authority", "certificate-authority-data", "proxy-url")
    cluster = _strings(entry, keys, "a cluster", refuse)
    _base64(cluster, ("certificate-authority-data",), refuse)
    return _absolute(cluster, ("certificate-authority",), base)


def _user_in_file(entry: Json, base: Path, refuse: Refuse) -> Json:
    paths = ("client-certificate", "client-key", "tokenFile")
    data = ("client-certificate-data", "client-key-data")
    user = _strings(entry, (*paths, *data, "token", "username", "password", "as", "as-uid"), "a user", refuse)
    _base64(user, data, refuse)
    user = _absolute(user, paths, base)
    if "exec" in user:
        plugin = user["exec"]
        if not isinstance(plugin, dict):
            raise refuse("exec of a user is not a mapping")
        texts = ("command", "apiVersion", "installHint", "interactiveMode")
        plugin = _strings(plugin, texts, "a user's exec", refuse)
        if os.sep in plugin.get("command", ""):
            plugin = _absolute(plugin, ("command",), base)
        if plugin.get("apiVersion", "").endswith("/v1beta1"):
            plugin.setdefault("interactiveMode", "IfAvailable")  # api/v1/defaults.go; v1 wants it said
        user["exec"] = plugin
    return user


def _merge(files: Sequence[_File]) -> _File:
    """The first file that has an entry wins it whole; so for current-context."""
    clusters: dict[str, Json] = {}
    users: dict[str, Json] = {}
    contexts: dict[str, Json] = {}
    for file in reversed(files):
        clusters |= file.clusters
        users |= file.users
        contexts |= file.contexts
    return _File(clusters, users, contexts, next((file.current_context for file in files if file.current_context), ""))


def _cluster(entry: Json, flags: ConnectionFlags, default_server: str) -> Json:
    cluster = {"server": default_server, **entry}
    if flags.server:
        cluster["server"] = flags.server
    if flags.insecure_skip_tls_verify or flags.certificate_authority:
        for key in ("insecure-skip-tls-verify", "certificate-authority", "certificate-authority-data"):
            cluster.pop(key, None)
        if flags.insecure_skip_tls_verify:
            cluster["insecure-skip-tls-verify"] = True
        if flags.certificate_authority:
            cluster["certificate-authority"] = os.path.abspath(flags.certificate_authority)
    if flags.server or flags.tls_server_name:
        # Another server than the kubeconfig's hardly has its name.
        cluster.pop("tls-server-name", None)
        if flags.tls_server_name:
            cluster["tls-server-name"] = flags.tls_server_name
    return cluster


def _user(entry: Json, flags: ConnectionFlags) -> Json:
    user = dict(entry)
    if flags.token:
        user.pop("tokenFile", None)
        user["token"] = flags.token
    if flags.client_certificate:
        user.pop("client-certificate-data", None)
        user["client-certificate"] = os.path.abspath(flags.client_certificate)
    if flags.client_key:
        user.pop("client-key-data", None)
        user["client-key"] = os.path.abspath(flags.client_key)
    if flags.impersonate_user:
        user["as"] = flags.impersonate_user
    if flags.impersonate_uid:
        user["as-uid"] = flags.impersonate_uid
    if flags.impersonate_groups:
        user["as-groups"] = list(flags.impersonate_groups)
    return user


def _unreadable(path: str) -> str:
    """Why a file cannot be opened, in Go's words; "" if it can."""
    try:
        with open(path, "rb"):
            return ""
    except OSError as error:
        return f"open {path}: {_reason(error)}"


def _cluster_problems(name: str, cluster: Json) -> Iterator[str]:
    authority = cluster.get("certificate-authority", "")
    proxy = cluster.get("proxy-url", "")
    if proxy and urlsplit(proxy).scheme not in ("http", "https", "socks5"):
        yield (
            f'invalid \'proxy-url\' "{proxy}" for cluster "{name}": unsupported scheme "{urlsplit(proxy).scheme}", '
            "must be http, https, or socks5"
        )
    if authority and "certificate-authority-data" in cluster:
        yield (
            f"certificate-authority-data and certificate-authority are both specified for {name}. "
            "certificate-authority-data will override."
        )
    if authority and (reason := _unreadable(authority)):
        yield f"unable to read certificate-authority {authority} for {name} due to {reason}"
    if cluster.get("insecure-skip-tls-verify") and (authority or "certificate-authority-data" in cluster):
        # client-go says this later, when it builds the transport.
        yield f"specifying a root certificates file with the insecure flag is not allowed (cluster {name})"


def _user_problems(name: str, user: Json) -> Iterator[str]:
    methods = [
        method
        for method, keys in (("token", ("token",)), ("basicAuth", ("username", "password")))
        if any(key in user for key in keys)
    ]
    if "client-certificate" in user or "client-certificate-data" in user:
        yield from _certificate_problems(name, user)
    if "exec" in user:
        yield from _exec_problems(name, user)
    if len(methods) > 1:
        found = " ".join(methods)
        yield f"more than one authentication method found for {name}; found [{found}], only one is allowed"
    if "as" not in user and any(key in user for key in ("as-uid", "as-groups", "as-user-extra")):
        yield f"requesting uid, groups or user-extra for {name} without impersonating a user"


def _certificate_problems(name: str, user: Json) -> Iterator[str]:
    if "client-certificate" in user and "client-certificate-data" in user:
        yield f"client-cert-data and client-cert are both specified for {name}. client-cert-data will override."
    if "client-key" in user and "client-key-data" in user:
        yield f"client-key-data and client-key are both specified for {name}; client-key-data will override"
    if "client-key" not in user and "client-key-data" not in user:
        yield (
            f"client-key-data or client-key must be specified for {name} to use the clientCert authentication method."
        )
    for key, word in (("client-certificate", "client-cert"), ("client-key", "client-key")):
        if key in user and (reason := _unreadable(user[key])):
            yield f"unable to read {word} {user[key]} for {name} due to {reason}"


def _exec_problems(name: str, user: Json) -> Iterator[str]:
    plugin = user["exec"]
    if "auth-provider" in user:
        yield f"authProvider cannot be provided in combination with an exec plugin for {name}"
    for key in ("command", "apiVersion", "interactiveMode"):
        if key not in plugin:
            yield f"{key} must be specified for {name} to use exec authentication plugin"
    if any(not variable.get("name") for variable in plugin.get("env", [])):
        yield f"env variable name must be specified for {name} to use exec authentication plugin"
    if plugin.get("interactiveMode", "Never") not in ("Never", "IfAvailable", "Always"):
        yield f'invalid interactiveMode for {name}: "{plugin["interactiveMode"]}"'


def _in_pod(environ: Mapping[str, str], service_account: Path) -> bool:
    return bool(
        environ.get("KUBERNETES_SERVICE_HOST")
        and environ.get("KUBERNETES_SERVICE_PORT")
        and (service_account / "token").is_file()
    )


def _in_cluster(
    environ: Mapping[str, str], service_account: Path, flags: ConnectionFlags, user: Json
) -> tuple[Json, Json]:
    """Cluster and user of the pod's service account (client-go rest/config.go); a flag's token or CA comes first."""
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ["KUBERNETES_SERVICE_PORT"]
    cluster: Json = {"server": f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"}
    authority = flags.certificate_authority or service_account / "ca.crt"
    if not _unreadable(str(authority)):
        cluster["certificate-authority"] = os.path.abspath(authority)
    impersonating = {key: value for key, value in user.items() if key.startswith("as")}
    if flags.token:
        return cluster, {"token": flags.token, **impersonating}
    return cluster, {"tokenFile": str(service_account / "token"), **impersonating}


def _pod_namespace(environ: Mapping[str, str], service_account: Path) -> str:
    if environ.get("POD_NAMESPACE"):
        return environ["POD_NAMESPACE"]
    try:
        return (service_account / "namespace").read_text().strip()
    except OSError:
        return ""


def _server(text: str) -> str:
    """A server's URL with scheme and without final slash, query and fragment."""
    parts = urlsplit(text if "://" in text else f"http://{text}")
    try:
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid:
        raise ConfigurationError(f'invalid server "{text}": must be a URL like https://HOST:PORT')
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def _impersonation(user: Json) -> Impersonation:
    return Impersonation(
        user=user.get("as", ""),
        uid=user.get("as-uid", ""),
        groups=tuple(user.get("as-groups", ())),
        extra=tuple((key, tuple(values)) for key, values in sorted(user.get("as-user-extra", {}).items())),
    )


def _one_context(context: str, cluster: tuple[str, Json], user: tuple[str, Json], namespace: str) -> Json:
    # Entries that come from flags alone get a name too: KubeConfigLoader takes a user named "" for no user.
    cluster_name, user_name = cluster[0] or "default", user[0] or "default"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "contexts": [
            {"name": context, "context": {"cluster": cluster_name, "user": user_name, "namespace": namespace}}
        ],
        "clusters": [{"name": cluster_name, "cluster": cluster[1]}],
        "users": [{"name": user_name, "user": user[1]}],
    }


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def _go_duration(text: str) -> float | None:
    """Seconds of Go's time.ParseDuration, None if it is none or negative."""
    pieces = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", text)
    if not pieces or "".join(number + unit for number, unit in pieces) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in pieces)

"""Random worlds for pilot-oracle, in which the things that decide about an alias collide.

World N of a seed is always the same. A world is JSON, as program/world.go reads it: kube, istio, mesh, proxy, calls.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kubectl_extsvc.mesh.export_to import EXPORT_TO_ANNOTATION
from kubectl_extsvc.mesh.hosts import name_forms, service_fqdn, service_of_fqdn
from kubectl_extsvc.model.alias import AddressTarget, HostTarget, Intent, Target, TlsMode, TlsSettings
from kubectl_extsvc.model.marks import SERVICE_NAME_LABEL, private_host
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.plans.alias_objects import objects_of
from kubectl_extsvc.plans.ports import parse_ports

ROOT = "istio-system"
NAMESPACES = ("default", "apps", "other", ROOT)
OUTSIDE = ("httpbin.org", "en.wikipedia.org", "api.example.com", "db.example.com")
OUTSIDE_ADDRESSES = {host: f"198.51.100.{number}" for number, host in enumerate(OUTSIDE, 1)}
POLICIES = ("ALLOW_ANY", "ALLOW_ANY", "ALLOW_ANY", "REGISTRY_ONLY", "REGISTRY_ONLY", "ALLOW_ANY_DYNAMIC_DNS")
MESH_POD = {"security.istio.io/tlsMode": "istio"}
ISTIO = Mesh(installed=True, api_version="v1", version=(1, 31))


@dataclass(frozen=True, slots=True)
class Port:
    name: str
    number: int
    target: int
    speaks: str
    """What applications send to it: http, http2, tls or tcp."""
    app_protocol: str = ""


PORTS = (
    Port("http", 80, 80, "http"),
    Port("http", 80, 443, "http"),
    Port("http", 80, 8443, "http"),
    Port("http-web", 8080, 8080, "http"),
    Port("http", 443, 443, "tls"),
    Port("http2", 80, 80, "http"),
    Port("tls", 443, 443, "tls"),
    Port("tls-db", 5432, 5432, "tls"),
    Port("https", 443, 443, "tls"),
    Port("https", 443, 8443, "tls"),
    Port("tcp", 443, 443, "tls"),
    Port("tcp", 3306, 3306, "tcp"),
    Port("tcp-db", 5432, 5432, "tcp"),
    Port("tcp", 80, 80, "http"),
    Port("mysql", 3306, 3306, "tcp"),
    Port("redis", 6379, 6379, "tcp"),
    Port("mongo", 27017, 27017, "tcp"),
    Port("grpc", 9000, 9000, "http2"),
    Port("grpc-web", 9000, 9000, "http"),
    Port("web", 80, 80, "http"),
    Port("web", 8080, 8080, "http"),
    Port("web", 443, 443, "tls", "https"),
    Port("web", 80, 80, "http", "http"),
    Port("https", 80, 80, "http", "http"),
    Port("web", 5432, 5432, "tcp", "tcp"),
    Port("h2", 9000, 9000, "http2", "kubernetes.io/h2c"),
    Port("ws", 8080, 8080, "http", "kubernetes.io/ws"),
    Port("wss", 443, 443, "tls", "kubernetes.io/wss"),
    Port("odd", 80, 80, "http", "example.com/own"),
    Port("", 80, 80, "http"),
    Port("", 443, 443, "tls"),
    Port("", 8080, 8080, "http"),
    Port("", 3306, 3306, "tcp"),
    Port("", 5432, 5432, "tcp"),
)

ENTRY_PROTOCOLS = {
    "http": "HTTP",
    "https": "HTTPS",
    "tls": "TLS",
    "tcp": "TCP",
    "grpc": "GRPC",
    "http2": "HTTP2",
    "mongo": "MONGO",
    "h2": "HTTP2",
    "web": "",
}
"""Protocol of a ServiceEntry's port by the first word of a port's name, else TCP."""


def random_world(seed: int, number: int) -> Json:
    return _World(seed, number).built()


def random_worlds(seed: int, count: int) -> Iterator[Json]:
    return (random_world(seed, number) for number in range(count))


class _World:
    """Made in the order in which objects refer to each other."""

    def __init__(self, seed: int, number: int) -> None:
        self.r = random.Random(f"{seed}/{number}")
        self.id = f"{seed}/{number}"
        self.kube: list[Json] = []
        self.istio: list[Json] = []
        self.dialled: dict[str, list[str]] = {}
        """FQDN of a Service, or outside host → addresses that its name leads applications to."""
        self.ports: dict[str, Sequence[Port]] = {}
        """The same → ports that are called."""
        self.pods: dict[str, str] = {}
        """Address → namespace."""
        self.hosts: list[str] = []
        """What rules may be about: names of Services, targets, private hosts."""
        self.client = self.r.choice(("default", "default", "default", "apps", "apps", ROOT))
        self.registry_only = False

    def maybe(self, chance: float) -> bool:
        return self.r.random() < chance

    def built(self) -> Json:
        mesh = self.mesh_config()
        for number in range(self.r.choice((0, 0, 1, 1, 2))):
            self.workload(number)
        names = [
            (self.r.choice(("default", "default", "apps", "other")), f"my-{n}") for n in range(self.r.randint(1, 3))
        ]
        for number, (namespace, name) in enumerate(names):
            if self.maybe(0.2):
                self.recipe(number, namespace, name)
            else:
                self.alias(number, namespace, name, [service_fqdn(other, where) for where, other in names])
        for number in range(self.r.choice((0, 0, 1, 1, 2, 2, 3))):
            self.service_entry(number)
        for number in range(self.r.choice((0, 0, 1, 1, 2, 3, 4))):
            self.destination_rule(number)
        for number in range(self.r.choice((0, 0, 0, 1, 1, 2))):
            self.virtual_service(number)
        if self.maybe(0.2):
            for number in range(self.r.choice((1, 1, 2))):
                self.sidecar(number)
        if self.maybe(0.06):
            self.peer_authentication()
        labels = {"app": "curl"} | ({"version": "v1"} if self.maybe(0.3) else {})
        metadata = {"DNS_CAPTURE": "true"} if self.maybe(0.15) else {}
        proxy = {"namespace": self.client, "labels": labels, "ip": "10.244.0.9", "metadata": metadata}
        calls = list(self.calls())
        return {"id": self.id, "kube": self.kube, "istio": self.istio, "mesh": mesh, "proxy": proxy, "calls": calls}

    def mesh_config(self) -> Json:
        mode = self.r.choice(POLICIES)
        self.registry_only = mode == "REGISTRY_ONLY"
        mesh: Json = {"outboundTrafficPolicy": {"mode": mode}}
        if self.maybe(0.1):
            mesh["enableAutoMtls"] = False
        for key in ("defaultServiceExportTo", "defaultVirtualServiceExportTo", "defaultDestinationRuleExportTo"):
            if self.maybe(0.02):
                mesh[key] = ["."]
        return mesh

    # --- objects -------------------------------------------------------------------------------------------------

    def add(self, kind: str, api_version: str, namespace: str, name: str, **rest: Any) -> None:
        """An object; some are equally old, so that names decide."""
        metadata = {"namespace": namespace, "name": name, "creationTimestamp": self.birth()} | rest.pop("metadata", {})
        obj = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}
        (self.istio if "istio.io" in api_version else self.kube).append(obj)

    def rule(self, kind: str, namespace: str, name: str, spec: Json, **rest: Any) -> None:
        self.add(kind, "networking.istio.io/v1", namespace, name, spec=spec, **rest)

    def birth(self) -> str:
        return f"2026-01-01T00:00:{self.r.randrange(20):02}Z"

    def some_ports(self) -> tuple[Port, ...]:
        chosen = self.r.sample(PORTS, self.r.choice((1, 1, 2, 2, 3)))
        names, numbers = {port.name for port in chosen}, {port.number for port in chosen}
        if "" in names or len(names) < len(chosen) or len(numbers) < len(chosen):
            chosen = chosen[:1]
        return tuple(chosen)

    def service(self, namespace: str, name: str, ports: Sequence[Port], **spec: Any) -> None:
        listed = []
        for port in ports:
            told = {"name": port.name, "port": port.number, "targetPort": port.target, "protocol": "TCP"}
            told["appProtocol"] = port.app_protocol
            listed.append({key: value for key, value in told.items() if value})
        metadata = {}
        if self.maybe(0.06):
            metadata = {"annotations": {EXPORT_TO_ANNOTATION: self.r.choice((".", "*", "~", "apps", "default,apps"))}}
        self.add("Service", "v1", namespace, name, metadata=metadata, spec={"ports": listed, **spec})
        self.ports[service_fqdn(name, namespace)] = ports
        self.hosts.append(service_fqdn(name, namespace))

    def slices(self, namespace: str, name: str, ports: Sequence[Port], addresses: Sequence[str], **more: Any) -> None:
        """Mostly one, and as it should be. No two say different things of one address: istiod would pick by chance."""
        half = len(addresses) // 2 if self.maybe(0.4) else 0
        for number, part in enumerate(part for part in (addresses[:half], addresses[half:]) if part):
            told: list[Json] = [{"name": port.name, "port": port.target, "protocol": "TCP"} for port in ports]
            if self.maybe(0.08):
                self.r.choice(told)["name"] = "wrong"
            if self.maybe(0.05):
                self.r.choice(told)["port"] = 9999
            kind, listed = "IPv4", part
            if self.maybe(0.05):
                kind, listed = "FQDN", [self.r.choice(OUTSIDE)]
            elif self.maybe(0.05):
                kind, listed = "IPv6", ["2001:db8::7"]
            self.add(
                "EndpointSlice",
                "discovery.k8s.io/v1",
                namespace,
                f"{name}-{number}",
                metadata={"labels": {} if self.maybe(0.05) else {SERVICE_NAME_LABEL: name}},
                addressType=kind,
                ports=[] if self.maybe(0.03) else [entry if entry["name"] else {**entry, "name": ""} for entry in told],
                endpoints=[{"addresses": [address], **self.conditions(), **more} for address in listed],
            )

    def conditions(self) -> Json:
        if self.maybe(0.5):
            return {}
        told = {"ready": self.maybe(0.75)}
        if self.maybe(0.4):
            told["serving"] = self.maybe(0.7)
        if self.maybe(0.4):
            told["terminating"] = self.maybe(0.3)
        return {"conditions": told}

    def workload(self, number: int) -> None:
        """An ordinary Service with a pod, in the mesh or not."""
        namespace, address = self.r.choice(("default", "apps")), f"10.244.1.{number + 1}"
        name, fqdn = f"w{number}", service_fqdn(f"w{number}", namespace)
        labels = {"app": name} | (MESH_POD if self.maybe(0.6) else {})
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
        status["conditions"] = [{"type": "Ready", "status": "True"}]
        spec = {"containers": [{"name": "app", "image": "app"}], "nodeName": "n", "serviceAccountName": name}
        self.add("Pod", "v1", namespace, name, metadata={"labels": labels}, spec=spec, status=status)
        self.pods[address] = namespace
        ports = self.some_ports()
        headless = self.maybe(0.2)
        cluster_ip = "None" if headless else f"10.96.1.{number + 1}"
        self.service(namespace, name, ports, selector={"app": name}, clusterIP=cluster_ip)
        self.add(
            "EndpointSlice",
            "discovery.k8s.io/v1",
            namespace,
            f"{name}-1",
            metadata={"labels": {SERVICE_NAME_LABEL: name}},
            addressType="IPv4",
            ports=[{"name": port.name, "port": port.target, "protocol": "TCP"} for port in ports],
            endpoints=[
                {
                    "addresses": [address],
                    "conditions": {"ready": True},
                    "targetRef": {"kind": "Pod", "namespace": namespace, "name": name},
                }
            ],
        )
        self.dialled[fqdn] = [address if headless else cluster_ip]

    def alias(self, number: int, namespace: str, name: str, aliases: Sequence[str]) -> None:
        """As people write them by hand."""
        ports, fqdn = self.some_ports(), service_fqdn(name, namespace)
        if self.maybe(0.55):
            kinds = (OUTSIDE, OUTSIDE, OUTSIDE, OUTSIDE, aliases, tuple(self.dialled) or OUTSIDE)
            target = self.r.choice(self.r.choice(kinds))
            written = target
            if self.maybe(0.05):
                written = f"{target}."
            elif self.maybe(0.05):
                written = target.removesuffix(".svc.cluster.local")
            told = () if self.maybe(0.25) else ports
            self.service(namespace, name, told, type="ExternalName", externalName=written)
            self.dialled[fqdn] = self.dialled.get(target) or [OUTSIDE_ADDRESSES.get(target, "198.51.100.99")]
            self.ports[fqdn] = ports
            self.ports.setdefault(target, ports)
            self.dialled.setdefault(target, self.dialled[fqdn])
            self.hosts.append(target)
            return
        addresses = self.r.sample([f"203.0.113.{n}" for n in range(1, 9)], self.r.choice((1, 1, 2)))
        if self.pods and self.maybe(0.25):
            addresses.append(self.r.choice(list(self.pods)))
        headless = self.maybe(0.25)
        cluster_ip = "None" if headless else f"10.96.2.{number + 1}"
        self.service(namespace, name, ports, clusterIP=cluster_ip)
        if self.maybe(0.95):
            self.slices(namespace, name, ports, addresses)
        self.dialled[fqdn] = addresses if headless else [cluster_ip]

    def recipe(self, number: int, namespace: str, name: str) -> None:
        """As `kubectl extsvc create` writes them."""
        host, fqdn = self.r.choice(OUTSIDE), service_fqdn(name, namespace)
        told = self.r.choice(
            (["http:80:443"], ["http:80"], ["tls:443"], ["http:80:443", "tls:443"], ["http:80", "http-web:8080:443"])
            + (() if self.registry_only else (["tcp:5432"], ["http:80", "tcp:3306"]))
        )
        ports = parse_ports(told)
        originates = any(port.originates for port in ports)
        tls = TlsSettings(TlsMode.DISABLE)
        if originates:
            tls = self.r.choice(
                (
                    TlsSettings(TlsMode.SIMPLE, host, (host,)),
                    TlsSettings(TlsMode.SIMPLE, host, (host,), ca_certificates="/etc/ca.pem"),
                    TlsSettings(
                        TlsMode.MUTUAL, host, (host,), client_certificate="/etc/c.pem", private_key="/etc/k.pem"
                    ),
                )
            )
        target: Target = HostTarget(host) if self.maybe(0.5) else AddressTarget((OUTSIDE_ADDRESSES[host],), host)
        export_to = self.r.choice(((), (), (), (".",), ("apps",)))
        intent = Intent(namespace, name, target, ports, tls, mesh=True, export_to=export_to)
        for planned in objects_of(intent, ISTIO, registry_only=self.registry_only):
            obj = planned.obj
            metadata = {**obj["metadata"], "creationTimestamp": self.birth()}
            if obj["kind"] == "Service" and isinstance(target, AddressTarget):
                obj = {**obj, "spec": {**obj["spec"], "clusterIP": f"10.96.2.{number + 1}"}}
            (self.istio if "istio.io" in obj["apiVersion"] else self.kube).append({**obj, "metadata": metadata})
        by_address = isinstance(target, AddressTarget)
        self.dialled[fqdn] = [f"10.96.2.{number + 1}" if by_address else OUTSIDE_ADDRESSES[host]]
        self.dialled.setdefault(host, [OUTSIDE_ADDRESSES[host]])
        speaks = {"http": "http", "tls": "tls", "tcp": "tcp"}
        made = tuple(Port(p.name, p.number, p.target_port, speaks[p.name.partition("-")[0]]) for p in ports)
        self.ports[fqdn] = made
        self.ports.setdefault(host, made)
        self.hosts += [fqdn, host, private_host(name, namespace)]

    # --- rules ---------------------------------------------------------------------------------------------------

    def service_entry(self, number: int) -> None:
        """Mostly of a host that is there already: an alias's target, a Service, another entry."""
        host = self.r.choice((*self.hosts, *self.hosts, self.r.choice(OUTSIDE)))
        if self.maybe(0.07):
            host = f"*.{host.partition('.')[2]}"
        spec: Json = {"hosts": [host]}
        if self.maybe(0.1):
            spec["hosts"] = [host, self.r.choice([other for other in OUTSIDE if other != host])]
        resolution = (
            "NONE" if host.startswith("*") else self.r.choice(("DNS", "DNS", "NONE", "STATIC", "DNS_ROUND_ROBIN"))
        )
        spec |= {"resolution": resolution, "ports": self.entry_ports(self.known_ports(host), resolution)}
        if self.maybe(0.9):
            spec["location"] = self.r.choice(("MESH_EXTERNAL",) * 4 + ("MESH_INTERNAL",))
        if self.maybe(0.2):
            plain = OUTSIDE_ADDRESSES.get(host, "198.51.100.3")
            wide = ("203.0.113.0/28",) if resolution in ("NONE", "STATIC") else ()
            choice = (plain, plain, "203.0.113.1", "198.51.100.4", *wide)
            spec["addresses"] = list(dict.fromkeys(self.r.choice(choice) for _ in range(self.r.choice((1, 1, 2)))))
        if resolution == "STATIC" or (resolution.startswith("DNS") and self.maybe(0.3)):
            spec["endpoints"] = [
                self.entry_endpoint(spec["ports"], resolution)
                for _ in range(1 if resolution == "DNS_ROUND_ROBIN" else self.r.choice((1, 1, 2)))
            ]
        if self.maybe(0.3):
            spec["exportTo"] = self.r.choice(
                (
                    [
                        ".",
                    ],
                    ["*"],
                    ["apps"],
                    ["default"],
                    ["default", "apps"],
                )
            )
        if self.maybe(0.1):
            spec["subjectAltNames"] = [host]
        metadata: Json = {"labels": {"networking.istio.io/enable-autoallocate-ip": "false"}} if self.maybe(0.1) else {}
        status = {}
        if "addresses" not in spec and resolution != "NONE" and self.maybe(0.15):
            status = {"status": {"addresses": [{"value": f"240.240.0.{number + 1}", "host": host}]}}
        self.rule("ServiceEntry", self.r.choice(NAMESPACES), f"se-{number}", spec, metadata=metadata, **status)

    def known_ports(self, host: str) -> Sequence[Port]:
        return self.ports[host] if host in self.ports and self.maybe(0.7) else self.some_ports()

    def entry_ports(self, ports: Sequence[Port], resolution: str) -> list[Json]:
        told = []
        for port in ports:
            word = (port.app_protocol if port.app_protocol in ENTRY_PROTOCOLS else port.name).partition("-")[0]
            entry: Json = {"name": port.name or "p", "number": port.number}
            if protocol := ENTRY_PROTOCOLS.get(word, "TCP"):
                entry["protocol"] = protocol
            if port.target != port.number or self.maybe(0.05):
                entry["targetPort"] = port.target
            told.append(entry)
        return told

    def entry_endpoint(self, ports: Sequence[Json], resolution: str) -> Json:
        static = ("203.0.113.50", "203.0.113.51", *self.pods)
        endpoint: Json = {"address": self.r.choice(static if resolution == "STATIC" else (*static, *OUTSIDE))}
        if self.maybe(0.2):
            endpoint["ports"] = {self.r.choice(ports)["name"]: 8444}
        if self.maybe(0.15):
            endpoint["labels"] = {**MESH_POD, "version": "v1"}
        if self.maybe(0.1):
            endpoint["serviceAccount"] = "db"
        return endpoint

    def host(self, namespace: str) -> str:
        """A host as a rule would name it: whole, short, wild."""
        host = self.r.choice(self.hosts)
        service = service_of_fqdn(host)
        parent = host.partition(".")[2]
        if service is None:
            return self.r.choice((host, host, host, host, f"*.{parent}" if "." in parent else host, "*"))
        where, name = service
        return self.r.choice(
            (
                host,
                host,
                host,
                name,
                f"{name}.{where}",
                f"*.{where}.svc.cluster.local",
                "*.svc.cluster.local",
                "*.local",
                "*",
            )
        )

    def tls(self, namespace: str) -> Json:
        mode = self.r.choice(("DISABLE", "SIMPLE", "SIMPLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"))
        tls: Json = {"mode": mode}
        if mode not in ("SIMPLE", "MUTUAL"):
            return tls
        if self.maybe(0.4):
            tls["sni"] = self.r.choice(OUTSIDE)
        if self.maybe(0.4):
            tls["subjectAltNames"] = [self.r.choice(OUTSIDE)]
        if mode == "MUTUAL" and self.maybe(0.6):
            tls |= {"clientCertificate": "/etc/c.pem", "privateKey": "/etc/k.pem"}
        elif mode == "MUTUAL" or self.maybe(0.15):
            tls["credentialName"] = self.r.choice(("server", "server", f"configmap://{namespace}/roots"))
        if "credentialName" not in tls and self.maybe(0.2):
            tls["caCertificates"] = self.r.choice(("/etc/ca.pem", "system"))
        if tls.keys().isdisjoint(("caCertificates", "credentialName", "subjectAltNames")) and self.maybe(0.3):
            tls["insecureSkipVerify"] = True
        return tls

    def traffic_policy(self, namespace: str) -> Json:
        policy: Json = {}
        if self.maybe(0.75):
            policy["tls"] = self.tls(namespace)
        if self.maybe(0.2):
            policy["connectionPool"] = {"tcp": {"maxConnections": 10}}
        if self.maybe(0.3):
            numbers = self.r.sample((80, 443, 443, 3306, 5432, 8080, 9000), self.r.choice((1, 1, 2)))
            policy["portLevelSettings"] = [
                {"port": {"number": number}}
                | ({"tls": self.tls(namespace)} if self.maybe(0.7) else {"loadBalancer": {"simple": "RANDOM"}})
                for number in dict.fromkeys(numbers)
            ]
        return policy or {"connectionPool": {"tcp": {"maxConnections": 10}}}

    def destination_rule(self, number: int) -> None:
        namespace = self.r.choice((self.client, self.client, *NAMESPACES))
        spec: Json = {"host": self.host(namespace)}
        previous = self.istio[-1] if self.istio else {}
        if previous.get("kind") == "DestinationRule" and self.maybe(0.4):  # two rules for one host
            spec["host"], namespace = previous["spec"]["host"], previous["metadata"]["namespace"]
        if self.maybe(0.85):
            spec["trafficPolicy"] = self.traffic_policy(namespace)
        if self.maybe(0.35):
            spec["exportTo"] = self.r.choice(
                (
                    [
                        ".",
                    ],
                    [
                        ".",
                    ],
                    ["*"],
                    ["apps"],
                    ["default"],
                    ["other", "apps"],
                    ["apps", "default"],
                )
            )
        if self.maybe(0.2):
            labels = self.r.choice(({"app": "curl"}, {"app": "curl", "version": "v1"}, {"app": "other"}))
            spec["workloadSelector"] = {"matchLabels": labels}
            if self.maybe(0.9):
                spec.pop("exportTo", None)
        if self.maybe(0.15):
            subset: Json = {"name": "v1", "labels": {"version": "v1"}}
            spec["subsets"] = [subset | ({"trafficPolicy": {"tls": self.tls(namespace)}} if self.maybe(0.5) else {})]
        self.rule("DestinationRule", namespace, f"dr-{number}", spec)

    def virtual_service(self, number: int) -> None:
        namespace = self.r.choice((self.client, *NAMESPACES))
        hosts = [self.host(namespace) if self.maybe(0.15) else self.r.choice(self.hosts)]
        hosts = hosts if hosts[0] != "*" else [self.hosts[0]]
        if self.maybe(0.15):
            hosts = list(dict.fromkeys((*hosts, self.r.choice(self.hosts))))
        spec: Json = {"hosts": hosts}
        match self.r.choice(("http",) * 5 + ("tcp", "tls")):
            case "http":
                spec["http"] = [self.http_route() for _ in range(self.r.choice((1, 1, 2)))]
            case "tcp":
                spec["tcp"] = [{"route": [self.destination()]}]
                if self.maybe(0.3):
                    spec["tcp"][0]["match"] = [{"port": self.r.choice((443, 3306, 5432))}]
            case "tls":
                spec["tls"] = [{"match": [{"port": 443, "sniHosts": hosts}], "route": [self.destination()]}]
        if self.maybe(0.25):
            spec["exportTo"] = self.r.choice(
                (
                    [
                        ".",
                    ],
                    ["*"],
                    ["apps"],
                    ["default"],
                )
            )
        if self.maybe(0.1):
            spec["gateways"] = self.r.choice((["mesh"], ["outside"], ["mesh", "outside"]))
        self.rule("VirtualService", namespace, f"vs-{number}", spec)

    def http_route(self) -> Json:
        route: Json = {"name": f"r{self.r.randrange(10)}"} if self.maybe(0.5) else {}
        kind = self.r.choice(("route",) * 8 + ("redirect", "directResponse"))
        match kind:
            case "route":
                route["route"] = [self.destination()]
                if self.maybe(0.2):
                    weights = self.r.choice(((60, 40), (0, 100)))
                    route["route"] = [self.destination() | {"weight": weight} for weight in weights]
            case "redirect":
                route["redirect"] = {"authority": self.r.choice(OUTSIDE)}
            case "directResponse":
                route["directResponse"] = {"status": self.r.choice((403, 503))}
        if kind == "route" and self.maybe(0.35):
            route["rewrite"] = {"authority": self.r.choice(OUTSIDE)}
        if self.maybe(0.4):
            match: Json = {}
            if self.maybe(0.6):
                match["uri"] = self.r.choice(
                    ({"prefix": "/get"}, {"exact": "/get"}, {"prefix": "/g"}, {"regex": "/g.*"})
                )
            if self.maybe(0.4):
                match["port"] = self.r.choice((80, 80, 443, 8080))
            if self.maybe(0.15):
                match["sourceLabels"] = {"app": self.r.choice(("curl", "other"))}
            if self.maybe(0.1):
                match["sourceNamespace"] = self.r.choice(NAMESPACES[:2])
            if self.maybe(0.1):
                match["gateways"] = [self.r.choice(("mesh", "outside"))]
            if match:
                route["match"] = [match]
        return route

    def destination(self) -> Json:
        host = self.r.choice(self.hosts)
        service = service_of_fqdn(host)
        if service is not None and self.maybe(0.2):
            host = service[1]
        to: Json = {"host": host}
        if self.maybe(0.5):
            to["port"] = {"number": self.r.choice([*(port.number for port in self.ports.get(host, ())), 80, 443, 8080])}
        if self.maybe(0.05):
            to["subset"] = self.r.choice(("v1", "v2"))
        return {"destination": to}

    def sidecar(self, number: int) -> None:
        places = ("./*", "*/*", "~/*", *(f"{namespace}/*" for namespace in NAMESPACES))
        some = [f"{self.r.choice(('*', '.', *NAMESPACES))}/{host}" for host in self.hosts]
        wide = [f"*/*.{host.partition('.')[2]}" for host in self.hosts if "." in host.partition(".")[2]]
        spec: Json = {}
        if self.maybe(0.9):
            egress: list[Json] = [{"hosts": self.r.sample([*places, *some, *wide], self.r.randint(1, 3))}]
            if self.maybe(0.1):
                port = self.r.choice(self.r.choice(list(self.ports.values())))
                egress.insert(
                    0, {"port": {"number": port.number, "protocol": "HTTP", "name": "http"}, "hosts": ["*/*"]}
                )
            spec["egress"] = egress
        if self.maybe(0.3):
            spec["outboundTrafficPolicy"] = {"mode": self.r.choice(("ALLOW_ANY", "REGISTRY_ONLY"))}
        if self.maybe(0.35):
            spec["workloadSelector"] = {"labels": {"app": self.r.choice(("curl", "curl", "other"))}}
        namespace = self.r.choice((self.client, self.client, ROOT))
        if namespace == ROOT:
            spec.pop("workloadSelector", None)
        self.rule("Sidecar", namespace, f"scope-{number}", spec)

    def peer_authentication(self) -> None:
        spec = {"mtls": {"mode": self.r.choice(("STRICT", "PERMISSIVE", "DISABLE"))}}
        self.add("PeerAuthentication", "security.istio.io/v1", self.r.choice(NAMESPACES), "mtls", spec=spec)

    # --- calls ---------------------------------------------------------------------------------------------------

    def calls(self) -> Iterator[Json]:
        for host, addresses in self.dialled.items():
            for port in self.ports.get(host, ())[:3]:
                for _ in range(2):
                    yield self.call(host, self.r.choice(addresses), port)
        if self.maybe(0.3):  # of nobody
            yield self.call("www.example.net", "198.51.100.200", self.r.choice(PORTS))

    def call(self, host: str, address: str, port: Port) -> Json:
        service = service_of_fqdn(host)
        forms = [host]
        if service is not None:
            forms += [*name_forms(service[1], service[0], self.client), f"{host}:{port.number}", address]
        name = self.r.choice((*forms, *forms, *OUTSIDE[:2]))
        number = port.number if self.maybe(0.92) else self.r.choice(PORTS).number
        call: Json = {"address": address, "port": number, "protocol": "http", "tls": "plaintext"}
        speaks = port.speaks if self.maybe(0.93) else self.r.choice(("http", "tls", "tcp"))
        match speaks:
            case "tls":
                sni = name.partition(":")[0].rstrip(".")
                call |= {"tls": "tls", "sni": sni, "host": name, "alpn": "http/1.1"}
            case "tcp":
                call["protocol"] = "tcp"
            case _:
                call |= {"protocol": speaks, "host": name, "path": self.r.choice(("/", "/get", "/get/1"))}
        return call

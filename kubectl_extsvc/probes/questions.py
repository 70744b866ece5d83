"""The questions that a source is asked about a port of an alias."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from kubectl_extsvc.model.alias import AddressTarget, Alias, AliasPort, AppProtocol, Form
from kubectl_extsvc.model.observation import Contract
from kubectl_extsvc.model.probe import Purpose, Scheme, Transfer
from kubectl_extsvc.probes.curl import is_host_name

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
"""Methods that may be sent once more than asked for (RFC 9110, 9.2.1)."""


def transfers(
    alias: Alias,
    port: AliasPort,
    contract: Contract,
    *,
    path: str = "/",
    method: str = "GET",
    headers: tuple[tuple[str, str], ...] = (),
    addresses_cap: int = 8,
    want_body: bool = False,
    cluster_domain: str = "cluster.local",
) -> tuple[Transfer, ...]:
    """The transfers of one source for one port: first the alias as the contract says, then what helps to explain it.

    path, method and headers are the user's: they go only where the port is served, and never to a bare address. At most
    addresses_cap addresses are asked. UDP cannot be asked about.
    """
    if port.protocol is AppProtocol.UDP:
        return ()
    fqdn = alias.fqdn(cluster_domain)
    name = f"{alias.namespace}/{alias.name}:{port.number}"
    call = Transfer(f"{name}/alias", Purpose.ALIAS, Scheme.TCP, fqdn, port.number)
    sni = ""
    if contract.served and contract.scheme is not Scheme.TCP:
        call = replace(
            call,
            scheme=contract.scheme,
            host=contract.host,
            path=path,
            method=method,
            headers=headers,
            connect_to=fqdn if contract.host != fqdn else "",
            # The certificate is not one of a cluster name; without the real one there is nothing to check it against.
            insecure=contract.scheme is Scheme.HTTPS and contract.host == fqdn,
            want_body=want_body,
        )
        sni = alias.host if contract.scheme is Scheme.HTTPS or contract.originates else ""
    # Whether a sidecar waits in vain for the client depends on who speaks first, where no name says the protocol.
    call = replace(call, listen=call.scheme is Scheme.TCP and port.protocol is AppProtocol.AUTO)
    calls = [call]
    # Where the sidecar originates TLS, a Host that the mesh does not know would take the request past the rule.
    host_is_free = not any(key.lower() == "host" for key, _ in headers)
    may_repeat = method in SAFE_METHODS
    if call.scheme is Scheme.HTTP and alias.host and host_is_free and may_repeat and not contract.originates:
        calls.append(
            replace(
                call,
                id=f"{name}/target-host-header",
                purpose=Purpose.TARGET_HOST_HEADER,
                host=alias.host,
                connect_to=fqdn,
                want_body=False,
            )
        )
    if not contract.served and contract.originates and alias.form is Form.EXTERNAL_NAME:
        calls.append(_in_clear(alias, port, name, fqdn))
    return (*calls, *_to_addresses(alias, port, name, sni, addresses_cap))


def short_name(alias: Alias) -> str:
    """The alias as applications of other namespaces may call it: the pod's search list makes a whole name of it."""
    return f"{alias.name}.{alias.namespace}"


def names_asked(aliases: Sequence[Alias], cluster_domain: str) -> tuple[str, ...]:
    """Names to look up in a source: of each alias the whole and the short one, and its target's.

    The target's twice: by itself, with a final dot, and as the pod's search list has it.
    """
    names: dict[str, None] = {}
    for alias in aliases:
        names |= {alias.fqdn(cluster_domain): None, short_name(alias): None}
        if is_host_name(alias.host):
            names |= {f"{alias.host}.": None, alias.host: None}
    return tuple(names)


def _in_clear(alias: Alias, port: AliasPort, name: str, fqdn: str) -> Transfer:
    """What a client without sidecar gets for plain HTTP: an answer of the target's own port of that number.

    The alias is dialled, whose CNAME is absolute; a search list might make another host of the target's bare name.
    """
    return Transfer(f"{name}/target", Purpose.TARGET, Scheme.HTTP, alias.host, port.number, connect_to=fqdn)


def _to_addresses(alias: Alias, port: AliasPort, name: str, sni: str, cap: int) -> Iterator[Transfer]:
    """Each address by itself: a connection or, with a name for the SNI, a request without the user's words."""
    if not isinstance(alias.target, AddressTarget):
        return
    for address in alias.target.addresses[:cap]:
        ident = f"{name}/address/{address}"
        if sni:
            yield Transfer(ident, Purpose.ADDRESS, Scheme.HTTPS, sni, port.target_port, connect_to=address)
        else:
            yield Transfer(ident, Purpose.ADDRESS, Scheme.TCP, address, port.target_port)

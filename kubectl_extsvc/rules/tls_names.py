"""Family 04: under which name, and how the handshake ends."""

import re
from collections.abc import Iterable

from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.probe import Scheme
from kubectl_extsvc.model.route import Route
from kubectl_extsvc.rules.evidence import (
    ORIGINATING,
    TlsBlock,
    behind_sidecar,
    decider,
    deciding_block,
    failures,
    get_command,
    origin_name,
    route_of,
    say,
    set_tls,
    went_well,
)
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.translation import Failure, FailureKind, failure_of, transport_failure


@rule(
    "XS0401",
    "The server's certificate is not for the name that the client calls",
    Severity.ERROR,
    Stage.TLS,
    needs={Fact.PROBES},
    uses={Fact.PROXY},
    symptom=True,
)
def client_refuses_certificate(case: Case) -> Iterable[Finding]:
    """A client that speaks TLS itself refuses the certificate that it is shown.

    Why     The certificate is for the target's own name; a client that has the alias in its URL checks it
            against the alias, which no certificate carries. Or the issuer is unknown to the client, or the
            certificate has expired.
    Seen    curl 60, from every kind of source.
    Cure    Call the target by its own name, through the alias: curl --connect-to HOST:443:ALIAS:443
            https://HOST/. Or let the sidecar add the TLS (--port http:80:443), which checks the right name.
    Source  Istio's task "Kubernetes Services for Egress Traffic"; live on Istio 1.31 (seed-endpoints).
    """
    alias = case.alias
    for observation, failure in failures(case, FailureKind.CLIENT_CERTIFICATE):
        called = observation.contract.host
        is_alias = called == alias.fqdn(case.snapshot.cluster_domain)
        port = observation.port.number
        server = f"{alias.host or called}:{port}"
        cure = f"see which certificate it shows: openssl s_client -connect {server} -servername {called}"
        if is_alias:
            name = origin_name(alias)
            cure = f"call it by its own name: curl --connect-to {name}:{port}:{called}:{port} https://{name}:{port}/"
        yield say(
            "XS0401",
            Severity.ERROR,
            Stage.TLS,
            alias.service,
            f'the client asks for "{called}" and refuses the certificate that it gets',
            evidence=[failure.seen],
            cure=cure,
            of=observation,
        )


@rule(
    "XS0402",
    "Envoy presents the alias's name to the TLS server",
    Severity.ERROR,
    Stage.TLS,
    either={Fact.PROXY, Fact.DESTINATION_RULES},
    uses={Fact.PROBES},
)
def alias_as_sni(case: Case) -> Iterable[Finding]:
    """TLS origination without sni and subjectAltNames: Envoy takes both from the Host header, which is the alias.

    Why     With neither field set, Istio turns on auto SNI and auto SAN validation: SNI, and the name that the
            certificate must have, follow the Host header. For an alias that is the alias's own name, which the
            target does not know. A VirtualService with rewrite.authority changes Host, SNI and SAN together and
            cures it too.
    Seen    503 URX,UF with CERTIFICATE_VERIFY_FAILED and the alias among the expected SANs; a strict server
            refuses the SNI already (then it is XS0403). Without an access log a 503 of Envoy's own is all there
            is to see. A warning where the call was not tried.
    Cure    Set sni and subjectAltNames to the target's name, always both.
    Source  istio #50126, #53186, #50997; pilot/pkg/networking/core/cluster_tls.go; live on Istio 1.31
            (simple-no-sni).
    """
    alias = case.alias
    name = origin_name(alias)
    for observation in behind_sidecar(case):
        failure = failure_of(observation, case)
        if went_well(observation, case) or not _names_follow_host(observation, case):
            continue
        if failure is not None and (failure.kind is not FailureKind.PROXY_TLS or _is_named_otherwise(failure)):
            continue
        ref = decider(observation, case)
        yield say(
            "XS0402",
            Severity.WARNING if failure is None else Severity.ERROR,
            Stage.TLS,
            ref or alias.service,
            f'Envoy sends SNI "{observation.contract.host}" and expects that name in the certificate of {alias.target}',
            evidence=[_joined(failure.seen if failure else "", f"{ref} has neither tls.sni nor tls.subjectAltNames")],
            cure=set_tls(observation, case, {"sni": name, "subjectAltNames": [name]}),
            of=observation,
        )


@rule(
    "XS0403",
    "The server has no such name as the SNI sent",
    Severity.ERROR,
    Stage.TLS,
    needs={Fact.PROBES},
    uses={Fact.PROXY, Fact.DESTINATION_RULES},
)
def server_refuses_sni(case: Case) -> Iterable[Finding]:
    """The TLS server answers the SNI with the alert unrecognized_name.

    Why     The name asked for is not one of the server's. From a sidecar that originates TLS: tls.sni is not
            set, so that Envoy sends the Host header, which is the alias; or it is set to a wrong name. From a
            client that speaks TLS itself: the URL has a name that the server does not know, or the connection
            went to another server.
    Seen    503 URX,UF TLSV1_ALERT_UNRECOGNIZED_NAME in the sidecar's access log; curl 35 from a client's own
            TLS.
    Cure    Set sni and subjectAltNames to the target's name.
    Source  istio #50126, #53186; live on Istio 1.31 (simple-no-sni, se-tcp-without-address).
    """
    alias = case.alias
    name = origin_name(alias)
    for observation, failure in failures(case, FailureKind.PROXY_TLS, FailureKind.CLIENT_TLS):
        if "UNRECOGNIZED_NAME" not in failure.tls_reason:
            continue
        route = route_of(observation)
        if failure.kind is FailureKind.CLIENT_TLS:
            called = observation.contract.host
            yield say(
                "XS0403",
                Severity.ERROR,
                Stage.TLS,
                alias.service,
                f'the client sends SNI "{called}", the server has no such name',
                evidence=[_joined(failure.seen, f"route: {route.envoy_cluster}" if route else "")],
                cure=f"see that this is the server meant; else call it by its own name instead of {called}",
                of=observation,
            )
            continue
        block, ref = deciding_block(observation, case), decider(observation, case)
        missing = block is not None and block.settings is not None and not block.settings.sni
        yield say(
            "XS0403",
            Severity.ERROR,
            Stage.TLS,
            ref or alias.service,
            f'Envoy sends SNI "{_sni_sent(observation, block)}", the server has no such name',
            evidence=[_joined(failure.seen, f"{ref} has no tls.sni" if missing else f"sni of {ref}" if ref else "")],
            cure=set_tls(observation, case, {"sni": name, "subjectAltNames": [name]}),
            of=observation,
        )


@rule(
    "XS0404",
    "The server's name is not checked",
    Severity.WARNING,
    Stage.TLS,
    either={Fact.PROXY, Fact.DESTINATION_RULES},
    symptom=True,
)
def name_unchecked(case: Case) -> Iterable[Finding]:
    """TLS origination with sni but without subjectAltNames: any certificate of a known issuer passes.

    Why     As soon as sni is set, Istio turns the automatic check of the certificate's name off; only
            subjectAltNames brings it back. The chain is still checked, the name is not.
    Seen    It works, also against a server that shows somebody else's certificate.
    Cure    Set subjectAltNames to the target's name.
    Source  istio pilot/pkg/networking/core/cluster_tls.go setAutoSniAndAutoSanValidation; live on Istio 1.31
            (simple-sni-no-san: 200 with a name that is not in the certificate).
    """
    for observation in behind_sidecar(case):
        block, ref = deciding_block(observation, case), decider(observation, case)
        sni = _unchecked_sni(route_of(observation), block)
        if sni:
            yield say(
                "XS0404",
                Severity.WARNING,
                Stage.TLS,
                ref or case.alias.service,
                f'{ref or "the rule"} sets sni "{sni}" and no subjectAltNames: the certificate\'s name is not checked',
                cure=set_tls(observation, case, {"subjectAltNames": [case.alias.host or sni]}),
                of=observation,
            )


@rule(
    "XS0409",
    "The proxy and the server do not agree on TLS",
    Severity.ERROR,
    Stage.TLS,
    needs={Fact.PROBES},
    uses={Fact.PROXY, Fact.DESTINATION_RULES},
    symptom=True,
)
def proxy_tls_fails(case: Case) -> Iterable[Finding]:
    """Envoy originates TLS, and the handshake with the server fails.

    Why     CERTIFICATE_VERIFY_FAILED: the certificate lacks every one of subjectAltNames, its issuer is not in
            caCertificates, or it has expired. WRONG_VERSION_NUMBER: the server speaks no TLS at that port.
            Other alerts are the server's: it wants a client certificate, or another version.
    Seen    503 URX,UF from the sidecar with the reason in its access log; a plain source that connects.
    Cure    Set subjectAltNames to a name that the certificate has; or correct port, CA or mode.
    Source  live on Istio 1.31 (simple-wrong-san); Envoy's transport failure reason.
    """
    alias = case.alias
    for observation, failure in failures(case, FailureKind.PROXY_TLS):
        answer = observation.answer
        if answer is None:
            continue
        ref, block = decider(observation, case), deciding_block(observation, case)
        transport = transport_failure(answer, observation.access_log)
        message, fields = _handshake_words(failure, transport, block, observation, alias)
        yield say(
            "XS0409",
            Severity.ERROR,
            Stage.TLS,
            ref or alias.service,
            message,
            evidence=[
                failure.seen,
                f"{ref} subjectAltNames: {', '.join(_wanted_names(route_of(observation), block)) or 'none'}"
                if ref
                else "",
                "the sidecar writes no access log that would give the reason" if failure.guess else "",
            ],
            cure=set_tls(observation, case, fields) if fields else f"compare CA, names and mode: {get_command(ref)}",
            of=observation,
        )


@rule(
    "XS0410",
    "The client's TLS handshake fails",
    Severity.ERROR,
    Stage.TLS,
    needs={Fact.PROBES},
    uses={Fact.PROXY},
    symptom=True,
)
def client_handshake_fails(case: Case) -> Iterable[Finding]:
    """A client that speaks TLS itself reaches something that does not.

    Why     The port is not a TLS port, the port's name says https where plain HTTP is spoken, or something on
            the way ends the connection in the handshake.
    Seen    curl 35 that is neither a refused name (XS0403) nor TLS in TLS (XS0405).
    Cure    Compare the port, its name and its target port with what the server speaks.
    Source  live on Istio 1.31 (unnamed-port with https).
    """
    for observation, failure in failures(case, FailureKind.CLIENT_TLS):
        if "UNRECOGNIZED_NAME" not in failure.tls_reason:
            port = observation.port
            yield say(
                "XS0410",
                Severity.ERROR,
                Stage.TLS,
                case.alias.service,
                f"the TLS handshake with {case.alias.target}:{port.target_port} fails",
                evidence=[failure.seen, f'port {port.number} "{port.name}" is taken for {port.protocol}'],
                cure=f"compare the port with what the server speaks: {get_command(case.alias.service)}",
                of=observation,
            )


def _names_follow_host(observation: Observation, case: Case) -> bool:
    """Are SNI and the name to check taken from the Host header, and is that the alias?"""
    route = route_of(observation)
    if observation.contract.scheme is not Scheme.HTTP:
        return False
    if route is not None:
        tls = route.tls
        return tls.mode in ORIGINATING and not (tls.sni or tls.subject_alt_names or route.host_rewrite) and tls.auto_sni
    block = deciding_block(observation, case)
    if block is None or not block.originates or block.settings is None:
        return False
    # Without the proxy a VirtualService's rewrite is not known: say nothing that only the proxy could refute.
    answered = observation.answer is not None
    return answered and not block.settings.sni and not block.settings.subject_alt_names


def _is_named_otherwise(failure: Failure) -> bool:
    """Failures of which XS0403 and XS0409 speak."""
    return "UNRECOGNIZED_NAME" in failure.tls_reason or "WRONG_VERSION" in failure.tls_reason


def _sni_sent(observation: Observation, block: TlsBlock | None) -> str:
    route = route_of(observation)
    if route is not None:
        return route.tls.sni or route.host_rewrite or observation.contract.host
    return (block.settings.sni if block is not None and block.settings else "") or observation.contract.host


def _unchecked_sni(route: Route | None, block: TlsBlock | None) -> str:
    """The SNI under which a chain, but no name, is checked; "" if there is no such thing."""
    if route is not None:
        tls = route.tls
        checked = tls.subject_alt_names or tls.auto_san_validation or not tls.verifies_chain
        return tls.sni if tls.mode in ORIGINATING and not checked else ""
    if block is None or not block.originates or block.settings is None:
        return ""
    settings = block.settings
    ignored = settings.subject_alt_names or settings.insecure_skip_verify or settings.credential_name
    return "" if ignored else settings.sni


def _wanted_names(route: Route | None, block: TlsBlock | None) -> tuple[str, ...]:
    if route is not None:
        return route.tls.subject_alt_names
    return block.settings.subject_alt_names if block is not None and block.settings else ()


def _handshake_words(
    failure: Failure, transport: str, block: TlsBlock | None, observation: Observation, alias: Alias
) -> tuple[str, dict[str, object]]:
    """Message, and the TLS fields that cure it, as far as the reason tells."""
    names = _wanted_names(route_of(observation), block)
    wanted = ", ".join(names)
    if "WRONG_VERSION_NUMBER" in failure.tls_reason:
        where = f"{alias.target}:{observation.port.target_port}"
        return f"Envoy starts TLS with {where}, which does not speak it", {"mode": "DISABLE"}
    if "CERTIFICATE_VERIFY_FAILED" in failure.tls_reason:
        has = certificate_names(transport)
        if has:
            right = [alias.host] if _named_in(alias.host, has) else has[:1]
            message = f"the certificate is for {', '.join(has)}, and {wanted or observation.contract.host} is expected"
            return message, {"subjectAltNames": right}
        return f"Envoy refuses the certificate of {alias.target}", {}
    if not failure.tls_reason and alias.host and names and alias.host not in names:
        return f"the TLS handshake between Envoy and {alias.host} fails, and {wanted} is expected", {
            "subjectAltNames": [alias.host]
        }
    reason = f": {failure.tls_reason}" if failure.tls_reason else ""
    return f"the TLS handshake between Envoy and {alias.target} fails{reason}", {}


def certificate_names(transport: str) -> list[str]:
    """Names in the certificate, from Envoy's "certificate SANs: [a, b]" or "… SANs are [a, b]", with _ for space."""
    found = re.search(r"certificate[ _]SANs(?::|[ _]are)[ _]?\[([^\]]*)\]", transport)
    return [name.strip(" _") for name in found.group(1).split(",") if name.strip(" _")] if found else []


def _named_in(host: str, names: list[str]) -> bool:
    """Host is one of a certificate's names; a wildcard stands for one label (RFC 6125)."""
    parent = host.partition(".")[2]
    return bool(host) and (host in names or f"*.{parent}" in names)


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)

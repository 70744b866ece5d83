"""Family 04: who encrypts, and under which name."""

import re
from collections.abc import Iterable

from kubectl_extsvc.mesh.destination_rules import credential_is_ignored
from kubectl_extsvc.mesh.hosts import EXPORT_TO_ANNOTATION, covers, exported_to
from kubectl_extsvc.mesh.registry import service_named
from kubectl_extsvc.model.alias import Alias, Form
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.probe import Scheme
from kubectl_extsvc.model.resources import DESTINATION_RULES
from kubectl_extsvc.model.route import OutboundTls, Route
from kubectl_extsvc.rules.evidence import (
    TlsBlock,
    behind_sidecar,
    create_command,
    decider,
    deciding_block,
    failures,
    get_command,
    json_patch,
    merge_patch,
    metadata_ref,
    origin_name,
    route_of,
    rules_on,
    say,
    set_tls,
    tls_block,
    went_well,
)
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.translation import Failure, FailureKind, failure_of, transport_failure

ORIGINATING = (OutboundTls.SIMPLE, OutboundTls.MUTUAL)


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
    "XS0405",
    "TLS inside TLS",
    Severity.ERROR,
    Stage.TLS,
    either={Fact.PROXY, Fact.DESTINATION_RULES},
    uses={Fact.PROBES},
)
def double_tls(case: Case) -> Iterable[Finding]:
    """The application speaks TLS, and the sidecar wraps it in TLS once more.

    Why     A DestinationRule with SIMPLE or MUTUAL covers a port on which clients speak TLS themselves.
    Seen    curl 35 "wrong version number" from the sidecar source, while a plain source gets 200. Plain HTTP to
            the same port works through the sidecar.
    Cure    DISABLE on that port; or let the application speak plain HTTP to a port named http.
    Source  istio #35661, #31513; live on Istio 1.31 (double-tls).
    """
    for observation in behind_sidecar(case):
        if observation.contract.scheme is not Scheme.HTTPS or went_well(observation, case):
            continue
        block, route = deciding_block(observation, case), route_of(observation)
        wraps = route.tls.mode in ORIGINATING if route else block is not None and block.originates
        if not wraps:
            continue
        ref = decider(observation, case)
        failure = failure_of(observation, case)
        mode = route.tls.mode.value if route else block.settings.mode.value if block and block.settings else ""
        port = observation.port
        yield say(
            "XS0405",
            Severity.ERROR,
            Stage.TLS,
            ref or case.alias.service,
            f"{ref or 'a rule'} adds TLS ({mode}) on port {port.number}, where the application speaks TLS already",
            evidence=[failure.seen if failure else "", f'port {port.number} "{port.name}" is {port.protocol}'],
            cure=set_tls(observation, case, {"mode": "DISABLE"}),
            of=observation,
        )


@rule(
    "XS0406",
    "credentialName without workloadSelector: plaintext",
    Severity.ERROR,
    Stage.TLS,
    needs={Fact.DESTINATION_RULES},
    uses={Fact.PROXY},
)
def credential_without_selector(case: Case) -> Iterable[Finding]:
    """A rule asks for TLS with credentialName, and sidecars send plaintext without a word.

    Why     Istio gives credentialName to sidecars only if the rule has a workloadSelector; without one the
            whole TLS context is dropped. The form configmap://NAMESPACE/NAME is exempt.
    Seen    The cluster has no transport socket. 200 from a server that takes plaintext, 400 from a TLS server.
    Cure    Add a workloadSelector (the secret must be readable by the pods' service account), or name files.
    Source  istio pilot/pkg/networking/core/cluster_tls.go; destination_rule.proto; live on Istio 1.31
            (credential-without-selector, mutual).
    """
    for observation in behind_sidecar(case):
        block, route = deciding_block(observation, case), route_of(observation)
        if block is None or not credential_is_ignored(block.rule, observation.port.number):
            continue
        if route is not None and (route.tls.mode.encrypts or route.passthrough or route.blocked):
            continue
        settings = block.settings
        asks = f"{settings.mode} with credentialName {settings.credential_name}" if settings else "TLS"
        labels = dict(observation.source.labels)
        label = next((key for key in ("app", "app.kubernetes.io/name") if key in labels), "app")
        selector = {"spec": {"workloadSelector": {"matchLabels": {label: labels.get(label, "APP")}}}}
        yield say(
            "XS0406",
            Severity.ERROR,
            Stage.TLS,
            block.ref,
            f"{block.ref} asks for {asks} and has no workloadSelector: sidecars send plaintext",
            evidence=[f"{route.envoy_cluster}: {route.tls.mode}" if route else "computed from the rule"],
            cure=merge_patch(block.ref, selector),
            of=observation,
        )


@rule(
    "XS0407",
    "A sidecar sends plaintext where it should add TLS",
    Severity.ERROR,
    Stage.TLS,
    either={Fact.PROXY, Fact.DESTINATION_RULES},
    uses={Fact.PROXY, Fact.DESTINATION_RULES, Fact.PROBES, Fact.SERVICES},
    symptom=True,
)
def plaintext_instead_of_tls(case: Case) -> Iterable[Finding]:
    """The alias is made for TLS origination, and this sidecar does not originate.

    Why     No DestinationRule with SIMPLE or MUTUAL reaches this source: there is none, it is not exported to
            the source's namespace, a rule of an earlier namespace hides it, or the Service itself is not
            visible there (annotation networking.istio.io/exportTo), so that the request passes by as if to a
            stranger.
    Seen    The request leaves in clear: 400 "HTTP request to an HTTPS server" from a TLS port, or, for an
            ExternalName alias, a plain answer of TARGET:80. Silent where an Endpoints alias is answered in
            clear with success and no rule asks for TLS: then the port does not speak TLS at all.
    Cure    Make the rule visible to the source, or write the alias with kubectl extsvc create.
    Source  live on Istio 1.31 (annotation exportTo: "."); istio pilot/pkg/model/push_context.go.
    """
    alias = case.alias
    for observation in behind_sidecar(case):
        route, decision = route_of(observation), observation.decision
        if not observation.contract.originates or observation.contract.scheme is not Scheme.HTTP:
            continue
        if route is not None:
            clear = not (route.tls.mode.encrypts or route.blocked or route.cluster_missing or route.direct_response)
            clear = clear and route.tls.mode is not OutboundTls.UNKNOWN
            known = "observed"
        else:
            clear = decision is not None and decision.mode in ("", "DISABLE")
            known = "computed"
        answer = observation.answer
        serves_clear = answer is not None and 200 <= answer.status < 400 and alias.form is Form.ENDPOINTS
        serves_clear = serves_clear and (route is None or not route.passthrough) and not _tls_asked_for(case)
        if not clear or serves_clear:
            continue
        why = decision.reason if decision is not None else ""
        yield say(
            "XS0407",
            Severity.ERROR,
            Stage.TLS,
            decider(observation, case) or alias.service,
            f"sidecars in namespace {observation.source.namespace} send plaintext to {alias.target}: no rule adds TLS",
            evidence=[
                f"{known}: {route.envoy_cluster} {route.tls.mode}" if route else f"{known}: {why}",
                why if route else "",
                *_losers(observation),
                f"status {answer.status}" if answer is not None and answer.status else "",
            ],
            cure=_make_visible(observation, case),
            of=observation,
        )


@rule(
    "XS0408",
    "Pods without sidecar reach the target unencrypted",
    Severity.WARNING,
    Stage.TLS,
    needs={Fact.PROBES},
)
def plain_pods_in_clear(case: Case) -> Iterable[Finding]:
    """The alias encrypts for pods with sidecar only, and the target answers plain pods in clear.

    Why     Origination is the sidecar's work. The same name from a pod without one leads to the target's plain
            port.
    Seen    A 2xx over plain HTTP from a plain source.
    Cure    Give the pods a sidecar, keep them off by a NetworkPolicy, or let all clients speak TLS (--port
            tls:443).
    Source  Istio's task "Egress TLS Origination"; live on Istio 1.31 (externalname-with-serviceentry).
    """
    for observation in case.observations:
        answer = observation.answer
        contract = observation.contract
        if contract.served or not contract.originates or answer is None:
            continue
        if answer.transfer.scheme is Scheme.HTTP and 200 <= answer.status < 300:
            yield say(
                "XS0408",
                Severity.WARNING,
                Stage.TLS,
                case.alias.service,
                f"pods without sidecar reach {case.alias.target}:{observation.port.number} unencrypted",
                evidence=[f"{answer.status} over http"],
                cure="give these pods a sidecar, or keep them off by a NetworkPolicy",
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


def _tls_asked_for(case: Case) -> bool:
    """Does any rule on exactly this Service ask for TLS, whomever it reaches?"""
    found = rules_on([case.alias.fqdn(case.snapshot.cluster_domain)], case)
    return any(tls_block(item, port.number, case).originates for item in found for port in case.alias.ports)


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


def _losers(observation: Observation) -> list[str]:
    decision = observation.decision
    return [f"{ref} (namespace {ref.namespace}): {why}" for ref, why in decision.losers] if decision else []


def _make_visible(observation: Observation, case: Case) -> str:
    """The smallest change that lets the source's sidecar see the rule; else the alias is written anew."""
    alias, client = case.alias, observation.source.namespace
    service = service_named(alias.fqdn(case.snapshot.cluster_domain), case.snapshot)
    annotation = ((service or {"metadata": {}})["metadata"].get("annotations") or {}).get(EXPORT_TO_ANNOTATION, "")
    if annotation and not exported_to(tuple(annotation.split(",")), alias.namespace, client):
        return f"kubectl annotate service {alias.name} -n {alias.namespace} {EXPORT_TO_ANNOTATION}-"
    for found in case.snapshot.destination_rules:
        block = tls_block(found, observation.port.number, case)
        fqdn = alias.fqdn(case.snapshot.cluster_domain)
        hidden = not exported_to((found.get("spec") or {}).get("exportTo") or (), block.ref.namespace, client)
        if block.originates and hidden and covers(block.host, fqdn) and not block.is_wildcard:
            ref = metadata_ref(found, DESTINATION_RULES.kind)
            return json_patch(ref, [{"op": "remove", "path": "/spec/exportTo"}])
    rule_here = deciding_block(observation, case)
    name = origin_name(alias)
    if rule_here is not None and not rule_here.is_wildcard:
        return rule_here.patch({"mode": "SIMPLE", "sni": name, "subjectAltNames": [name]})
    return create_command(alias, more="--tls-mode SIMPLE")


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)

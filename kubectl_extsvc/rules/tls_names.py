"""Family 04: under which name, and how the handshake ends."""

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
    origin,
    origin_name,
    route_of,
    say,
    set_tls,
    went_well,
)
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.tls_words import TlsTrouble, certificate_names, named_in
from kubectl_extsvc.rules.translation import Failure, FailureKind, failure_of, transport_failure

HANDSHAKE_ENDED = (TlsTrouble.UNKNOWN, TlsTrouble.REFUSED)
"""A handshake that fails without a word, or by the alert handshake_failure, which some servers send for an SNI."""

CLIENT_WORDS = {
    TlsTrouble.NO_TLS: "{} does not speak TLS",
    TlsTrouble.VERSION: "the client and {} have no TLS version or cipher in common",
    TlsTrouble.REFUSED: "{} breaks the client's TLS handshake off: no common cipher, or it wants a client certificate",
}


@rule(
    "XS0402",
    "Envoy presents the alias's name to the TLS server",
    Severity.ERROR,
    Stage.TLS,
    either={Fact.PROXY, Fact.DESTINATION_RULES},
    uses={Fact.PROBES, Fact.SERVICE_ENTRIES},
)
def alias_as_sni(case: Case) -> Iterable[Finding]:
    """TLS origination without sni and subjectAltNames: Envoy takes both from the Host header, which is the alias.

    Why     With neither field set, Istio turns on auto SNI and auto SAN validation: SNI, and the name that the
            certificate must have, follow the Host header. For an alias that is the alias's own name, which the
            target does not know. A VirtualService with rewrite.authority changes Host, SNI and SAN together and
            cures it too. With subjectAltNames alone the SNI still follows the Host header. subjectAltNames of the
            ServiceEntry do not help: the automatic check stays on beside them.
    Seen    503 URX,UF with CERTIFICATE_VERIFY_FAILED and the alias among the expected SANs; a strict server
            refuses the SNI already (then it is XS0403), some with a bare handshake_failure. Without an access log a
            503 of Envoy's own is all there is to see. A warning where the call was not tried.
    Cure    Set sni and subjectAltNames to the target's name, always both. (istioctl's IST0128 and IST0129 ask for
            caCertificates instead, which the system's bundle has replaced since Istio 1.21.)
    Source  istio #50126, #53186, #50997; pilot/pkg/networking/core/cluster_tls.go
            setAutoSniAndAutoSanValidation; live on Istio 1.31 (simple-no-sni).
    """
    alias = case.alias
    name = origin_name(alias)
    for observation in behind_sidecar(case):
        failure = failure_of(observation, case)
        if went_well(observation, case) or (failure is not None and not _may_be_names(failure)):
            continue
        sni, san = _names_of_host(observation, case)
        # A fixed name to check excuses the rule, unless a handshake fails for a reason that is not known.
        if not sni or (not san and (failure is None or failure.trouble not in HANDSHAKE_ENDED)):
            continue
        ref = decider(observation, case)
        called = observation.contract.host
        expects = f"expects that name in the certificate of {alias.target}"
        lacks = "has neither tls.sni nor tls.subjectAltNames" if san else "has no tls.sni"
        yield say(
            "XS0402",
            Severity.WARNING if failure is None else Severity.ERROR,
            Stage.TLS,
            ref or alias.service,
            f'Envoy sends SNI "{called}" and {expects}' if san else f'Envoy sends SNI "{called}" to {alias.target}',
            evidence=[_joined(failure.seen if failure else "", f"{ref or 'the rule'} {lacks}")],
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
        if failure.trouble is not TlsTrouble.SNI:
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
                evidence=[_joined(failure.seen, f"{origin(route)}: {route.envoy_cluster}" if route else "")],
                cure=f"see that this is the server meant; else call it by its own name instead of {called}",
                of=observation,
            )
            continue
        block, ref = deciding_block(observation, case), decider(observation, case)
        missing = block is not None and block.settings is not None and not block.settings.sni
        sent = _sni_sent(observation, block)
        if failure.guess and sent != alias.host:
            continue  # only a witness that asked for the target's own name was refused
        yield say(
            "XS0403",
            Severity.ERROR,
            Stage.TLS,
            ref or alias.service,
            f'Envoy sends SNI "{sent}", the server has no such name',
            evidence=[_joined(failure.seen, f"{ref} has no tls.sni" if missing else f"sni of {ref}" if ref else "")],
            cure=f"see that {sent} is the server's name: {get_command(alias.service)}"
            if sent == alias.host
            else set_tls(observation, case, {"sni": name, "subjectAltNames": [name]}),
            of=observation,
        )


@rule(
    "XS0404",
    "The server's name is not checked",
    Severity.WARNING,
    Stage.TLS,
    either={Fact.PROXY, Fact.DESTINATION_RULES},
    uses={Fact.SERVICE_ENTRIES},
    symptom=True,
)
def name_unchecked(case: Case) -> Iterable[Finding]:
    """TLS origination with sni but without subjectAltNames: any certificate of a known issuer passes.

    Why     As soon as sni is set, Istio turns the automatic check of the certificate's name off; only
            subjectAltNames brings it back, of the rule or of the ServiceEntry. The chain is still checked, the name
            is not. Kiali and istioctl say nothing.
    Seen    It works, also against a server that shows somebody else's certificate.
    Cure    Set subjectAltNames to the target's name.
    Source  istio pilot/pkg/networking/core/cluster_tls.go setAutoSniAndAutoSanValidation; live on Istio 1.31
            (simple-sni-no-san: 200 with a name that is not in the certificate).
    """
    for observation in behind_sidecar(case):
        block, ref = deciding_block(observation, case), decider(observation, case)
        sni = _unchecked_sni(route_of(observation), block, case)
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

    Why     CERTIFICATE_VERIFY_FAILED with a SAN list: the certificate lacks every one of subjectAltNames (dates,
            issuers and client certificates have rules of their own: XS0411, XS0412, XS0413).
            WRONG_VERSION_NUMBER: the server speaks no TLS at that port. Other alerts are the server's: no version
            or cipher that both speak.
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
    Seen    curl 35 that is neither a refused name (XS0403), nor a client certificate that is wanted (XS0413), nor TLS
            in TLS (XS0405).
    Cure    Compare the port, its name and its target port with what the server speaks.
    Source  live on Istio 1.31 (unnamed-port with https).
    """
    for observation, failure in failures(case, FailureKind.CLIENT_TLS):
        port, where = observation.port, f"{case.alias.target}:{observation.port.target_port}"
        yield say(
            "XS0410",
            Severity.ERROR,
            Stage.TLS,
            case.alias.service,
            CLIENT_WORDS.get(failure.trouble, "the TLS handshake with {} fails").format(where),
            evidence=[failure.seen, f'port {port.number} "{port.name}" is taken for {port.protocol}'],
            cure=f"compare the port with what the server speaks: {get_command(case.alias.service)}",
            of=observation,
        )


def _names_of_host(observation: Observation, case: Case) -> tuple[bool, bool]:
    """Is the SNI taken from a Host header that is the alias, and is the name to check?"""
    route = route_of(observation)
    if observation.contract.scheme is not Scheme.HTTP:
        return False, False
    if route is not None:
        tls = route.tls
        follows = tls.mode in ORIGINATING and tls.auto_sni and not (tls.sni or route.host_rewrite)
        return follows, follows and (tls.auto_san_validation or not tls.subject_alt_names)
    block = deciding_block(observation, case)
    settings = block.settings if block is not None and block.originates else None
    # Without the proxy a VirtualService's rewrite is not known: say nothing that only the proxy could refute.
    follows = settings is not None and observation.answer is not None and not settings.sni
    return follows, follows and settings is not None and not settings.subject_alt_names


def _may_be_names(failure: Failure) -> bool:
    """Failures that a wrong name explains: XS0403, XS0409 and the rules on certificates speak of the others."""
    if failure.kind is not FailureKind.PROXY_TLS:
        return False
    # What a client of the bare address told is true of the server, and leaves the proxy's names open.
    told_by_another = failure.guess and failure.trouble in (TlsTrouble.DATE, TlsTrouble.ISSUER)
    return told_by_another or failure.trouble in (TlsTrouble.NAME, *HANDSHAKE_ENDED)


def _sni_sent(observation: Observation, block: TlsBlock | None) -> str:
    route = route_of(observation)
    if route is not None:
        return route.tls.sni or route.host_rewrite or observation.contract.host
    return (block.settings.sni if block is not None and block.settings else "") or observation.contract.host


def _unchecked_sni(route: Route | None, block: TlsBlock | None, case: Case) -> str:
    """The SNI under which a chain, but no name, is checked; "" if there is no such thing."""
    if route is not None:
        tls = route.tls
        checked = tls.subject_alt_names or tls.auto_san_validation or not tls.verifies_chain
        return tls.sni if tls.mode in ORIGINATING and not checked else ""
    if block is None or not block.originates or block.settings is None:
        return ""
    settings = block.settings
    ignored = settings.subject_alt_names or settings.insecure_skip_verify or settings.credential_name
    return "" if ignored or _names_of_entries(block.host, case) else settings.sni


def _names_of_entries(host: str, case: Case) -> bool:
    """Does a ServiceEntry of the host give names to check? They count where the rule gives none."""
    entries = (entry.get("spec") or {} for entry in case.snapshot.service_entries)
    return any(host in (spec.get("hosts") or ()) and spec.get("subjectAltNames") for spec in entries)


def _wanted_names(route: Route | None, block: TlsBlock | None) -> tuple[str, ...]:
    if route is not None:
        return route.tls.subject_alt_names
    return block.settings.subject_alt_names if block is not None and block.settings else ()


def _handshake_words(
    failure: Failure, transport: str, block: TlsBlock | None, observation: Observation, alias: Alias
) -> tuple[str, dict[str, object]]:
    """Message, and the TLS fields that cure it, as far as the reason tells."""
    names = _wanted_names(route_of(observation), block)
    wanted, where = ", ".join(names), f"{alias.target}:{observation.port.target_port}"
    if failure.trouble is TlsTrouble.NO_TLS:
        return f"Envoy starts TLS with {where}, which does not speak it", {"mode": "DISABLE"}
    if failure.trouble is TlsTrouble.VERSION:
        return f"Envoy and {where} have no TLS version or cipher in common: {failure.tls_reason}", {}
    if failure.trouble is TlsTrouble.NAME:
        has = certificate_names(transport)
        expected = wanted or observation.contract.host
        if has:
            right = [alias.host] if named_in(alias.host, has) else has[:1]
            return f"the certificate is for {', '.join(has)}, and {expected} is expected", {"subjectAltNames": right}
        return f"the certificate of {alias.target} is for another name than {expected}", {}
    if "CERTIFICATE_VERIFY_FAILED" in failure.tls_reason:
        return f"Envoy refuses the certificate of {alias.target}", {}
    if not failure.tls_reason and alias.host and names and alias.host not in names:
        return f"the TLS handshake between Envoy and {alias.host} fails, and {wanted} is expected", {
            "subjectAltNames": [alias.host]
        }
    reason = f": {failure.tls_reason}" if failure.tls_reason else ""
    return f"the TLS handshake between Envoy and {alias.target} fails{reason}", {}


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)

"""Family 04: which certificates the two sides believe."""

import re
from collections.abc import Iterable

from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.fix import Step
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.probe import Certificate
from kubectl_extsvc.model.route import OutboundTls
from kubectl_extsvc.rules.evidence import (
    ORIGINATING,
    addresses_of,
    behind_sidecar,
    decider,
    deciding_block,
    failures,
    get_command,
    origin_name,
    route_of,
    say,
    set_tls,
)
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.tls_words import TlsTrouble, named_in, trouble_of, verify_detail
from kubectl_extsvc.rules.translation import Failure, FailureKind, tls_to_addresses, transport_failure

BY_CLIENT = (FailureKind.CLIENT_CERTIFICATE, FailureKind.CLIENT_TLS)
NONE_SENT = r"no required ssl certificate was sent"
"""What nginx answers over HTTP."""

REFUSALS = (TlsTrouble.CLIENT_CERTIFICATE, TlsTrouble.CLIENT_REFUSED, TlsTrouble.REFUSED)


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
            against the alias, which no certificate carries. Or the connection went to another server than the
            one meant.
    Seen    curl 60, from every kind of source. Dates and issuers have rules of their own (XS0411, XS0412).
    Cure    Call the target by its own name, through the alias: curl --connect-to HOST:443:ALIAS:443
            https://HOST/. Or let the sidecar add the TLS (--port http:80:443), which checks the right name.
    Source  Istio's task "Kubernetes Services for Egress Traffic"; live on Istio 1.31 (seed-endpoints).
    """
    alias = case.alias
    for observation, failure in failures(case, FailureKind.CLIENT_CERTIFICATE):
        called = observation.contract.host
        is_alias = called == alias.fqdn(case.snapshot.cluster_domain)
        port = observation.port.number
        cure = f"see which certificate it shows: {_show(alias.host or called, port, called)}"
        if is_alias:
            name = origin_name(alias)
            cure = f"call it by its own name: curl --connect-to {name}:{port}:{called}:{port} https://{name}:{port}/"
        shown = _shown(observation)
        message = f'the client asks for "{called}" and refuses the certificate that it gets'
        if shown is not None and shown.names and not named_in(called, shown.names):
            message = f'the client asks for "{called}", and the certificate is for {_few(shown.names)}'
        elif failure.trouble is TlsTrouble.NAME:
            message = f'the client asks for "{called}", and the certificate is for another name'
        yield say(
            "XS0401",
            Severity.ERROR,
            Stage.TLS,
            alias.service,
            message,
            evidence=[failure.seen],
            cure=cure,
            of=observation,
        )


@rule(
    "XS0411",
    "The server's certificate has expired or is not yet valid",
    Severity.ERROR,
    Stage.TLS,
    needs={Fact.PROBES},
    uses={Fact.PROXY, Fact.DESTINATION_RULES},
)
def certificate_out_of_date(case: Case) -> Iterable[Finding]:
    """The server shows a certificate outside its period of validity.

    Why     It was not renewed, or the server still holds the old one in memory. Rarely the client's own clock is
            wrong: then it refuses other servers too.
    Seen    curl 60 "certificate has expired" from clients that speak TLS themselves; 503 URX,UF
            CERTIFICATE_VERIFY_FAILED from a sidecar that adds the TLS, with the date in its access log. Without an
            access log a TLS client of the bare address is the witness.
    Cure    Renew it at the server. Nothing in the cluster cures it.
    Source  Envoy 1.40 and curl 7.88, each against such a server.
    """
    for observation, failure in failures(case, *BY_CLIENT, FailureKind.PROXY_TLS):
        if failure.trouble is not TlsTrouble.DATE:
            continue
        words, shown = _words(observation, failure, case), _shown(observation, case)
        future = "not yet" in words or "future" in words or "not activated" in words
        host, port = _server(case), observation.port.target_port
        yield say(
            "XS0411",
            Severity.ERROR,
            Stage.TLS,
            case.alias.service,
            f"the certificate of {case.alias.target} {'is not yet valid' if future else 'has expired'}",
            evidence=[
                failure.seen,
                f"valid from {shown.not_before} to {shown.not_after}" if shown and shown.not_after else "",
                "" if words in failure.seen else words,
            ],
            cure=f"renew it at the server: {_show(host, port, case.alias.host)} | openssl x509 -noout -dates",
            of=observation,
        )


@rule(
    "XS0412",
    "The issuer of the server's certificate is not trusted",
    Severity.ERROR,
    Stage.TLS,
    needs={Fact.PROBES},
    uses={Fact.PROXY, Fact.DESTINATION_RULES},
)
def issuer_not_trusted(case: Case) -> Iterable[Finding]:
    """The server's certificate leads to no CA that the client, or the proxy, believes.

    Why     A server with a private CA or a self-signed certificate; a server that leaves an intermediate
            certificate out; or, for the proxy, caCertificates that name another CA. Without caCertificates Istio
            checks against the system's bundle of istio-proxy since 1.21, so that istioctl's IST0128 and IST0129
            ("no caCertificates: the server's identity is not verified") are stale for every public server: no
            CA file is needed there.
    Seen    curl 60 "unable to get local issuer certificate" or "self-signed certificate" from clients that speak
            TLS themselves; 503 URX,UF CERTIFICATE_VERIFY_FAILED from a sidecar that adds the TLS.
    Cure    Give the CA to whom checks: to the application, or as a file to istio-proxy, named in caCertificates.
    Source  releasenotes of Istio 1.21 (VERIFY_CERTIFICATE_AT_CLIENT); Envoy 1.40 and curl 7.88, each against such a
            server.
    """
    alias = case.alias
    for observation, failure in failures(case, *BY_CLIENT, FailureKind.PROXY_TLS):
        if failure.trouble is not TlsTrouble.ISSUER:
            continue
        words, shown = _words(observation, failure, case), _shown(observation, case)
        own = "self-signed" in words or "self signed" in words
        what = f"the certificate of {alias.target} is self-signed" if own else f"no CA vouches for {alias.target}"
        evidence = [
            failure.seen,
            f"issuer: {shown.issuer}" if shown and shown.issuer else "",
            "" if words in failure.seen else words,
        ]
        if failure.kind is not FailureKind.PROXY_TLS:
            host, port = _server(case), observation.port.target_port
            yield say(
                "XS0412",
                Severity.ERROR,
                Stage.TLS,
                alias.service,
                f"{what} that the pod's CA bundle has" if not own else f"{what}, and the pod does not know it",
                evidence=evidence,
                cure="give the issuer's CA to the application, if this is the server meant: "
                f"{_show(host, port, alias.host)} -showcerts",
                of=observation,
            )
            continue
        ref, ca = decider(observation, case), _ca_file(observation, case)
        believed = f"caCertificates {ca}" if ca else "the system's CA bundle of istio-proxy"
        probably = "probably " if failure.guess else ""
        yield say(
            "XS0412",
            Severity.ERROR,
            Stage.TLS,
            ref or alias.service,
            f"Envoy {probably}refuses the issuer of {alias.target}'s certificate, which is not in {believed}",
            evidence=evidence,
            cure=_trust(observation, case, ca),
            of=observation,
        )


@rule(
    "XS0413",
    "The server wants a client certificate",
    Severity.ERROR,
    Stage.TLS,
    needs={Fact.PROBES},
    uses={Fact.PROXY, Fact.DESTINATION_RULES},
)
def client_certificate_wanted(case: Case) -> Iterable[Finding]:
    """The server ends the handshake, or the connection right after it, since the client did not prove who it is.

    Why     The server asks for a client certificate, and mode SIMPLE sends none; or, with MUTUAL, it does not
            believe the one that it gets. A client that speaks TLS itself has to bring its own; the probe has none.
    Seen    The alerts certificate_required, bad_certificate or unknown_ca: curl 35, or 56 with TLS 1.3, where the
            alert comes after the client's handshake. From a sidecar with TLS 1.2: 503 URX,UF
            SSLV3_ALERT_HANDSHAKE_FAILURE; with TLS 1.3: 503 UC without any reason, so that it is "probably" unless a
            TLS client of the bare address was told. A server may answer 400 or 403 over HTTP instead.
    Cure    Mode MUTUAL with clientCertificate and privateKey, files inside istio-proxy; or with credentialName and
            a workloadSelector (without which it is ignored, XS0406).
    Source  Envoy 1.40, curl 7.88 and Python 3.11 against such servers; RFC 8446 4.4.2.4, 6.2.
    """
    alias = case.alias
    for observation, failure in failures(case, FailureKind.CLIENT_TLS):
        if failure.trouble in (TlsTrouble.CLIENT_CERTIFICATE, TlsTrouble.CLIENT_REFUSED):
            yield say(
                "XS0413",
                Severity.ERROR,
                Stage.TLS,
                alias.service,
                f"{alias.target} {'probably ' if failure.guess else ''}wants a client certificate, "
                "and the probe has none",
                evidence=[failure.seen],
                cure="see that the application brings its certificate; a probe without one gets no further",
                of=observation,
            )
    for observation in case.observations:
        answer = observation.answer
        if answer is not None and answer.status == 400 and re.search(NONE_SENT, answer.body, re.IGNORECASE):
            yield say(
                "XS0413",
                Severity.ERROR,
                Stage.TLS,
                decider(observation, case) or alias.service,
                f"{alias.target} wants a client certificate, and gets none",
                evidence=[f"400: {answer.body[:120]}"],
                cure="bring one: mode MUTUAL where the sidecar adds the TLS, else in the application",
                of=observation,
            )
    for observation, failure in failures(case, FailureKind.PROXY_TLS):
        mode = _mode(observation, case)
        if failure.trouble not in REFUSALS or mode not in ORIGINATING:
            continue
        if _refused_for_another_reason(failure, observation, case):
            continue
        ref = decider(observation, case)
        sure = failure.trouble is not TlsTrouble.REFUSED and not failure.guess
        probably = "" if sure else "probably "
        seen = [failure.seen, _told_at_address(observation, case)]
        if mode is OutboundTls.MUTUAL:
            message = f"{alias.target} {probably}refuses the client certificate that {ref or 'the rule'} gives"
            cure = f"see that the server trusts its issuer, and that it has not expired: {get_command(ref)}"
        else:
            message = (
                f"{alias.target} {probably}wants a client certificate, and {ref or 'the rule'} (SIMPLE) sends none"
            )
            cure = (
                "set mode MUTUAL with clientCertificate and privateKey (files inside istio-proxy), or with "
                f"credentialName and a workloadSelector: {get_command(ref)}"
            )
        yield say(
            "XS0413",
            Severity.ERROR,
            Stage.TLS,
            ref or alias.service,
            message,
            evidence=seen,
            cure=cure,
            of=observation,
        )


@rule(
    "XS0415",
    "Nothing of the server's certificate is checked",
    Severity.WARNING,
    Stage.TLS,
    either={Fact.PROXY, Fact.DESTINATION_RULES},
    uses={Fact.PROBES},
    symptom=True,
)
def nothing_verified(case: Case) -> Iterable[Finding]:
    """The proxy encrypts, and would do so to anybody.

    Why     insecureSkipVerify turns off the check of the chain and of the name; Istio before 1.21 checks nothing
            without caCertificates. istioctl's IST0128 and IST0129 mean the latter, and say so of every rule without
            caCertificates, also on newer Istio, where the system's bundle is used.
    Seen    It works, also against a server that shows somebody else's certificate.
    Cure    Take insecureSkipVerify away, and set subjectAltNames; for a private CA set caCertificates as well.
    Source  destination_rule.proto; istio pilot/pkg/networking/core/cluster_tls.go.
    """
    for observation in behind_sidecar(case):
        block, route, ref = deciding_block(observation, case), route_of(observation), decider(observation, case)
        settings = block.settings if block is not None and block.originates else None
        skips = settings is not None and settings.insecure_skip_verify
        if route is not None:
            if route.tls.mode not in ORIGINATING or route.tls.verifies_chain:
                continue
        elif not skips:
            continue
        name = origin_name(case.alias)
        private = any(trouble_of(answer) is TlsTrouble.ISSUER for answer in tls_to_addresses(observation, case))
        checked = {"insecureSkipVerify": False, "sni": name, "subjectAltNames": [name]}
        cure: str | Step = set_tls(observation, case, checked)
        if private or not skips:
            cure = f"mount the server's CA into istio-proxy and name it in caCertificates: {get_command(ref)}"
        said = f"{ref} says insecureSkipVerify" if skips else "no caCertificates"
        yield say(
            "XS0415",
            Severity.WARNING,
            Stage.TLS,
            ref or case.alias.service,
            f"{said}: the proxy takes any certificate for that of {case.alias.target}",
            cure=cure,
            of=observation,
        )


def _mode(observation: Observation, case: Case) -> OutboundTls:
    """What the proxy adds; by the objects where it could not be read."""
    route, block = route_of(observation), deciding_block(observation, case)
    if route is not None:
        return route.tls.mode
    return OutboundTls(block.settings.mode) if block is not None and block.settings else OutboundTls.UNKNOWN


def _refused_for_another_reason(failure: Failure, observation: Observation, case: Case) -> bool:
    """A bare handshake_failure may mean the SNI, too: it must be right, and no client without certificate be served."""
    if failure.trouble is not TlsTrouble.REFUSED:
        return False
    route, block = route_of(observation), deciding_block(observation, case)
    settings = block.settings if block is not None else None
    sni = (route.tls.sni or route.host_rewrite) if route is not None else settings.sni if settings else ""
    served = any(answer.status for answer in tls_to_addresses(observation, case))
    return served or sni in ("", observation.contract.host)


def _told_at_address(observation: Observation, case: Case) -> str:
    """What a TLS client of a bare address was told of client certificates."""
    answers = tls_to_addresses(observation, case)
    told = (answer for answer in answers if trouble_of(answer) in REFUSALS)
    return next((f"{a.transfer.connect_to}: curl {a.exit_code}: {a.error}" for a in told), "")


def _words(observation: Observation, failure: Failure, case: Case) -> str:
    """The TLS library's own words: the client's, Envoy's, or those of a client of the bare address."""
    answer = observation.answer
    if answer is None:
        return ""
    if failure.kind in BY_CLIENT:
        return answer.error
    if detail := verify_detail(transport_failure(answer, observation.access_log)):
        return detail
    answers = tls_to_addresses(observation, case)
    told = (answer for answer in answers if trouble_of(answer) is failure.trouble)
    return next((f"{a.transfer.connect_to}: curl {a.exit_code}: {a.error}" for a in told), "")


def _shown(observation: Observation, case: Case | None = None) -> Certificate | None:
    """The server's certificate as a client saw it: this one, else, if a case is given, one of the bare address."""
    answers = [observation.answer] if observation.answer is not None else []
    answers += tls_to_addresses(observation, case) if case is not None else []
    handshakes = (answer.handshake for answer in answers if answer.handshake is not None)
    return next((handshake.certificates[0] for handshake in handshakes if handshake.certificates), None)


def _ca_file(observation: Observation, case: Case) -> str:
    block = deciding_block(observation, case)
    return block.settings.ca_certificates if block is not None and block.settings else ""


def _trust(observation: Observation, case: Case, ca: str) -> str | Step:
    """Where a pod's own bundle vouches for the server, the system's will do; else its CA has to be mounted."""
    block = deciding_block(observation, case)
    public = any(answer.status and not answer.transfer.insecure for answer in tls_to_addresses(observation, case))
    if ca and public and block is not None and block.is_at_top:
        return block.patch({"caCertificates": None})
    mount = "mount the issuer's CA into istio-proxy (pod annotation sidecar.istio.io/userVolumeMount)"
    where = get_command(decider(observation, case))
    return f"{mount}, and name the file in caCertificates: {where}"


def _server(case: Case) -> str:
    return case.alias.host or next(iter(addresses_of(case.alias)), case.alias.name)


def _show(host: str, port: int, name: str) -> str:
    server = f"[{host}]" if ":" in host else host
    sni = f" -servername {name}" if name else ""
    return f"openssl s_client -connect {server}:{port}{sni}"


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:3]) + (" …" if len(listed) > 3 else "")

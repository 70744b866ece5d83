"""Each rule: the case that fires it, word for word, and one near it that leaves everybody silent."""

# ruff: noqa: E501 - the findings are given as they are printed

import shlex

import pytest
from worlds.rule_cases import FIRING, SILENT

from kubectl_extsvc.model.finding import Finding
from kubectl_extsvc.rules import CAUSAL_ORDER, RULES, judge

Words = tuple[str, str, str, tuple[str, ...], str, tuple[str, ...], tuple[int, ...]]
"""Severity, subject, message, evidence, cure, sources, ports."""

SAID: dict[str, Words] = {
    "XS0101": (
        "error",
        "service/my-pay",
        'externalName is the IP address "203.0.113.5": DNS has no answer for it',
        ("service/my-pay spec.externalName: 203.0.113.5",),
        "kubectl extsvc create my-pay -n shop --address 203.0.113.5 --port http:80 --overwrite",
        (),
        (),
    ),
    "XS0102": (
        "error",
        "service/my-pay",
        '"my-pay.shop.svc.cluster.local" leads to "typo.example", and no address is found',
        ("curl 6",),
        "correct the target: kubectl extsvc create my-pay -n shop --external-name HOST --port http:80 --overwrite",
        ("shop/web-7d9f", "shop/cron-55"),
        (80,),
    ),
    "XS0103": (
        "error",
        "service/my-pay",
        '"my-pay.shop.svc.cluster.local" leads to 203.0.113.44, not 10.96.0.7',
        ("service/my-pay spec.clusterIPs: 10.96.0.7",),
        "ask again in 30 s, when DNS caches have forgotten an earlier answer; then look at the pod's "
        "hostAliases, dnsPolicy and dnsConfig: kubectl get pod cron-55 -n shop -o yaml",
        ("shop/cron-55",),
        (80,),
    ),
    "XS0104": (
        "error",
        "service/my-pay",
        "my-pay.shop to b.shop to my-pay.shop: the chain of names has no end",
        ("service/b in namespace shop spec.externalName: my-pay.shop.svc.cluster.local",),
        "kubectl extsvc create my-pay -n shop --external-name HOST --port http:80 --overwrite",
        (),
        (),
    ),
    "XS0105": (
        "error",
        "service/my-pay",
        'externalName is the short name "web.front", which DNS does not make whole: web.front.svc.cluster.local is meant',
        ("service/my-pay spec.externalName: web.front", "curl 6"),
        "kubectl extsvc create my-pay -n shop --external-name web.front.svc.cluster.local --port http:80 --overwrite",
        (),
        (),
    ),
    "XS0106": (
        "error",
        "service/my-pay",
        'the search list of the pod has corp.example, which has an answer for every name: "my-pay.shop.svc.cluster.local" is taken for "my-pay.shop.svc.cluster.local.corp.example"',
        ("httpbin.org.corp.example: 192.0.2.80",),
        "take corp.example out of the pod's search list, or set ndots to 1 in its dnsConfig: kubectl get pod web-7d9f -n shop -o yaml",
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0201": (
        "error",
        "endpointslice/my-pay-ipv4",
        "endpointslice/my-pay-ipv4 lacks the label kubernetes.io/service-name, so that nobody takes it for service/my-pay",
        ("endpointslices with kubernetes.io/service-name=my-pay: 0",),
        "kubectl label endpointslice my-pay-ipv4 -n shop kubernetes.io/service-name=my-pay",
        (),
        (),
    ),
    "XS0202": (
        "error",
        "endpointslice/my-pay-ipv4",
        'service/my-pay names its port 80 "http", endpointslice/my-pay-ipv4 has "web": no endpoint',
        ("endpointslice/my-pay-ipv4 ports: web 80",),
        'kubectl patch endpointslice my-pay-ipv4 -n shop --type=json -p \'[{"op":"add","path":"/ports/0/name","value":"http"}]\'',
        (),
        (80,),
    ),
    "XS0203": (
        "error",
        "endpointslice/my-pay-ipv4",
        "api.pay.example has none of the recorded addresses (203.0.113.20) now",
        ("api.pay.example resolves to 203.0.113.44", "503", "curl 7"),
        "kubectl extsvc create my-pay -n shop --host api.pay.example --lookup --port http:80 --overwrite",
        (),
        (),
    ),
    "XS0204": (
        "error",
        "endpointslice/my-pay-ipv4",
        "203.0.113.99 does not answer, 203.0.113.20 does: calls fail in turn",
        ("203.0.113.99: curl 7",),
        "kubectl extsvc create my-pay -n shop --address 203.0.113.20 --host api.pay.example --port http:80 --overwrite",
        (),
        (80,),
    ),
    "XS0205": (
        "error",
        "service/my-pay",
        "203.0.113.20:80 refuses connections",
        ("503 URX,UF", "curl 7: Couldn't connect to server"),
        "check server, firewall and NetworkPolicy, or write another target: kubectl extsvc create my-pay -n shop --address ADDRESS --port http:80 --overwrite",
        ("shop/web-7d9f", "shop/cron-55"),
        (80,),
    ),
    "XS0207": (
        "error",
        "serviceentry/target",
        'sidecars take "httpbin.org" for service/httpbin in namespace org, which their search list finds first',
        ("outbound|80||httpbin.org: 10.96.0.99", "shop/web-7d9f: 503"),
        'kubectl patch serviceentry target -n shop --type=merge -p \'{"spec":{"endpoints":[{"address":"httpbin.org."}]}}\'',
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0208": (
        "error",
        "endpointslice/my-pay-ipv4",
        "10.96.0.9 is the ClusterIP of service/web in namespace front, to which kube-proxy does not forward",
        (),
        "kubectl extsvc create my-pay -n shop --external-name web.front.svc.cluster.local --port http:80 --overwrite",
        (),
        (),
    ),
    "XS0209": (
        "error",
        "service/my-pay",
        "service/my-pay has internalTrafficPolicy Local, and its endpoints are on no node, of no use to any pod",
        ("503", "curl 28"),
        'kubectl patch service my-pay -n shop --type=merge -p \'{"spec":{"internalTrafficPolicy":"Cluster"}}\'',
        (),
        (),
    ),
    "XS0210": (
        "error",
        "service/my-pay",
        "service/my-pay is headless: clients dial 80, and nothing leads them to 8080",
        ("503 URX,UF", "curl 7"),
        'kubectl patch service my-pay -n shop --type=json -p \'[{"op":"replace","path":"/spec/ports/0/port","value":8080}]\'',
        (),
        (80,),
    ),
    "XS0211": (
        "error",
        "endpointslice/my-pay-ipv4",
        "all addresses are IPv6, and service/my-pay is IPv4: it has no endpoint",
        ("endpointslice/my-pay-ipv4: 2001:db8::20",),
        "write an address of the Service's family: kubectl extsvc create my-pay -n shop --address ADDRESS --port http:80 --overwrite",
        (),
        (),
    ),
    "XS0212": (
        "error",
        "endpointslice/my-pay-ipv4",
        "10.244.0.9 is pod/pay-0 of the mesh, in namespace prod: service/my-pay is in shop, so that proxies speak plaintext to it",
        ("503 UC", "curl 56"),
        "kubectl extsvc create my-pay -n shop --external-name pay.prod.svc.cluster.local --port http:80 --overwrite",
        (),
        (),
    ),
    "XS0213": (
        "error",
        "endpoints/my-pay",
        "203.0.113.99 of endpointslice/my-pay-x7k2p, mirrored from endpoints/my-pay, does not answer: calls fail in turn",
        ("203.0.113.99: curl 7",),
        "kubectl delete endpoints my-pay -n shop",
        (),
        (),
    ),
    "XS0301": (
        "error",
        "destinationrule/my-pay",
        "destinationrule/my-pay asks for SIMPLE for my-pay.shop.svc.cluster.local, which has no cluster in any proxy: the rule has no effect, and HTTP leaves in clear",
        ("Istio 1.31: an ExternalName Service is a name of its target", "route: PassthroughCluster (allow_any)"),
        "kubectl extsvc create my-pay -n shop --external-name httpbin.org --port http:80:443 --tls-mode SIMPLE --overwrite",
        (),
        (),
    ),
    "XS0302": (
        "error",
        "destinationrule/wide",
        "destinationrule/wide (*.local) makes sidecars speak the mesh's mutual TLS to api.pay.example, which is outside the mesh",
        (
            "503 URX,UF WRONG_VERSION_NUMBER",
            "destinationrule/wide in namespace shop",
            "destinationrule/wide has exactly this host",
        ),
        'echo \'{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"my-pay-tls","namespace":"shop"},"spec":{"host":"my-pay.shop.svc.cluster.local","trafficPolicy":{"tls":{"mode":"DISABLE"}}}}\' | kubectl apply -f -',
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0303": (
        "warning",
        "service/my-pay",
        "the proxy uses SIMPLE where the objects say nothing",
        (
            "outbound|80||my-pay.shop.svc.cluster.local: SIMPLE",
            "computed: no DestinationRule covers my-pay.shop.svc.cluster.local",
        ),
        "kubectl extsvc verify my-pay -n shop",
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0304": (
        "error",
        "virtualservice/my-pay",
        'virtualservice/my-pay leads to "outbound|80||httpbin.org", which the proxy does not have',
        ("503", "route: outbound|80||httpbin.org (my-pay.shop.svc.cluster.local:80)"),
        "point it at a host of the registry, or: kubectl delete virtualservice my-pay -n shop",
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0305": (
        "warning",
        "service/my-pay",
        'port 443 is usually TLS, and "http" makes Istio take it for HTTP',
        (),
        "kubectl extsvc create my-pay -n shop --address 203.0.113.20 --host api.pay.example --port tls:443 --overwrite",
        (),
        (443,),
    ),
    "XS0401": (
        "error",
        "service/my-pay",
        'the client asks for "my-pay.shop.svc.cluster.local", and the certificate is for another name',
        ("curl 60: no alternative certificate subject name matches",),
        "call it by its own name: curl --connect-to httpbin.org:443:my-pay.shop.svc.cluster.local:443 https://httpbin.org:443/",
        ("shop/web-7d9f",),
        (443,),
    ),
    "XS0402": (
        "error",
        "destinationrule/my-pay",
        'Envoy sends SNI "my-pay.shop.svc.cluster.local" and expects that name in the certificate of api.pay.example',
        ("503; destinationrule/my-pay has neither tls.sni nor tls.subjectAltNames",),
        'kubectl patch destinationrule my-pay -n shop --type=merge -p \'{"spec":{"trafficPolicy":{"tls":{"sni":"api.pay.example","subjectAltNames":["api.pay.example"]}}}}\'',
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0403": (
        "error",
        "destinationrule/my-pay",
        'Envoy sends SNI "my-pay.shop.svc.cluster.local", the server has no such name',
        ("503 URX,UF TLSV1_ALERT_UNRECOGNIZED_NAME; destinationrule/my-pay has no tls.sni",),
        'kubectl patch destinationrule my-pay -n shop --type=merge -p \'{"spec":{"trafficPolicy":{"tls":{"sni":"api.pay.example","subjectAltNames":["api.pay.example"]}}}}\'',
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0404": (
        "warning",
        "destinationrule/my-pay",
        'destinationrule/my-pay sets sni "api.pay.example" and no subjectAltNames: the certificate\'s name is not checked',
        (),
        'kubectl patch destinationrule my-pay -n shop --type=merge -p \'{"spec":{"trafficPolicy":{"tls":{"subjectAltNames":["api.pay.example"]}}}}\'',
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0405": (
        "error",
        "destinationrule/my-pay",
        "destinationrule/my-pay adds TLS (SIMPLE) on port 443, where the application speaks TLS already",
        ("curl 35: error:0A00010B:SSL routines::wrong version number", 'port 443 "tls" is TLS'),
        'kubectl patch destinationrule my-pay -n shop --type=merge -p \'{"spec":{"trafficPolicy":{"tls":{"mode":"DISABLE"}}}}\'',
        ("shop/web-7d9f",),
        (443,),
    ),
    "XS0406": (
        "error",
        "destinationrule/my-pay",
        "destinationrule/my-pay asks for SIMPLE with credentialName pay and has no workloadSelector: sidecars send plaintext",
        ("outbound|80||my-pay.shop.svc.cluster.local: DISABLE",),
        'kubectl patch destinationrule my-pay -n shop --type=merge -p \'{"spec":{"workloadSelector":{"matchLabels":{"app":"web"}}}}\'',
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0407": (
        "error",
        "service/my-pay",
        "sidecars in namespace shop send plaintext to api.pay.example: no rule adds TLS",
        (
            "no DestinationRule covers my-pay.shop.svc.cluster.local",
            "observed: outbound|80||my-pay.shop.svc.cluster.local auto-mTLS: plaintext",
            "status 400",
        ),
        "kubectl extsvc create my-pay -n shop --address 203.0.113.20 --host api.pay.example --port http:80:443 --tls-mode SIMPLE --overwrite",
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0408": (
        "warning",
        "service/my-pay",
        "pods without sidecar reach httpbin.org:80 unencrypted",
        ("200 over http",),
        "give these pods a sidecar, or keep them off by a NetworkPolicy",
        ("shop/cron-55",),
        (80,),
    ),
    "XS0409": (
        "error",
        "destinationrule/my-pay",
        "the certificate is for api.pay.example, *.pay.example, and other.example is expected",
        ("503 URX,UF CERTIFICATE_VERIFY_FAILED", "destinationrule/my-pay subjectAltNames: other.example"),
        'kubectl patch destinationrule my-pay -n shop --type=merge -p \'{"spec":{"trafficPolicy":{"tls":{"subjectAltNames":["api.pay.example"]}}}}\'',
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0410": (
        "error",
        "service/my-pay",
        "api.pay.example:443 does not speak TLS",
        ("curl 35: error:0A00010B:SSL routines::wrong version number", 'port 443 "tls" is taken for TLS'),
        "compare the port with what the server speaks: kubectl get service my-pay -n shop -o yaml",
        ("shop/cron-55",),
        (443,),
    ),
    "XS0411": (
        "error",
        "service/my-pay",
        "the certificate of api.pay.example has expired",
        ("curl 60: SSL certificate problem: certificate has expired",),
        "renew it at the server: openssl s_client -connect api.pay.example:443 -servername api.pay.example | openssl x509 -noout -dates",
        ("shop/cron-55",),
        (443,),
    ),
    "XS0412": (
        "error",
        "destinationrule/my-pay",
        "Envoy refuses the issuer of api.pay.example's certificate, which is not in the system's CA bundle of istio-proxy",
        ("503 URX,UF CERTIFICATE_VERIFY_FAILED", "unable to get local issuer certificate"),
        "mount the issuer's CA into istio-proxy (pod annotation sidecar.istio.io/userVolumeMount), and name the file in caCertificates: kubectl get destinationrule my-pay -n shop -o yaml",
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0413": (
        "error",
        "destinationrule/my-pay",
        "api.pay.example probably wants a client certificate, and destinationrule/my-pay (SIMPLE) sends none",
        ("503 UC",),
        "set mode MUTUAL with clientCertificate and privateKey (files inside istio-proxy), or with credentialName and a workloadSelector: kubectl get destinationrule my-pay -n shop -o yaml",
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0414": (
        "error",
        "destinationrule/my-pay",
        "destinationrule/my-pay says SIMPLE at its top, and its portLevelSettings for 80 have no tls: port 80 goes in clear",
        ("status 400", "outbound|80||my-pay.shop.svc.cluster.local: auto-mTLS: plaintext"),
        'kubectl patch destinationrule my-pay -n shop --type=json -p \'[{"op":"add","path":"/spec/trafficPolicy/portLevelSettings/0/tls","value":{"mode":"SIMPLE","sni":"api.pay.example","subjectAltNames":["api.pay.example"]}}]\'',
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0415": (
        "warning",
        "destinationrule/my-pay",
        "destinationrule/my-pay says insecureSkipVerify: the proxy takes any certificate for that of api.pay.example",
        (),
        'kubectl patch destinationrule my-pay -n shop --type=merge -p \'{"spec":{"trafficPolicy":{"tls":{"insecureSkipVerify":false,"sni":"api.pay.example","subjectAltNames":["api.pay.example"]}}}}\'',
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0501": (
        "error",
        "service/my-pay",
        'the origin refuses Host "my-pay.shop.svc.cluster.local" with 404 and takes "httpbin.org"',
        ("Host my-pay.shop.svc.cluster.local: 404; Host httpbin.org: 200",),
        "send the right Host from the client: curl -H 'Host: httpbin.org' http://my-pay.shop.svc.cluster.local:80/",
        ("shop/cron-55",),
        (80,),
    ),
    "XS0502": (
        "error",
        "service/my-pay",
        "the origin answers with status 500",
        ("500", "GET http://my-pay.shop.svc.cluster.local:80/"),
        "compare with the target itself: curl -i http://httpbin.org:80/",
        ("shop/web-7d9f", "shop/cron-55"),
        (80,),
    ),
    "XS0503": (
        "error",
        "service/my-pay",
        "nothing in the body matches 'free encyclop.dia'",
        ("200, 16 characters: 'Welcome to nginx'",),
        "compare with the target itself: curl -i http://httpbin.org:80/",
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0504": (
        "error",
        "service/my-pay",
        "httpbin.org breaks the connection for port 80 off before an answer",
        ("curl 52: Empty reply from server", 'port 80 "http" is taken for HTTP'),
        "compare port and protocol with what the server speaks: kubectl get service my-pay -n shop -o yaml",
        ("shop/cron-55",),
        (80,),
    ),
    "XS0505": (
        "error",
        "service/my-pay",
        "api.pay.example answers 301 to https://api.pay.example/, which it is already, as the sidecar says x-forwarded-proto: http",
        (
            "301 location: https://api.pay.example/",
            "outbound|80||my-pay.shop.svc.cluster.local: SIMPLE",
            "added: x-envoy-peer-metadata, x-forwarded-proto",
        ),
        'echo \'{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"my-pay","namespace":"shop"},"spec":{"hosts":["my-pay.shop.svc.cluster.local"],"http":[{"headers":{"request":{"set":{"x-forwarded-proto":"https"}}},"route":[{"destination":{"host":"my-pay.shop.svc.cluster.local","port":{"number":80}}}]}]}}\' | kubectl apply -f -',
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0506": (
        "error",
        "service/my-pay",
        'port 80 "grpc" makes the sidecar speak HTTP/2, which api.pay.example does not',
        ("502 UPE", "plain pods get 200 over HTTP/1.1"),
        "kubectl extsvc create my-pay -n shop --address 203.0.113.20 --host api.pay.example --port http:80 --overwrite",
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0507": (
        "error",
        "service/my-pay",
        "api.pay.example answers 431 to pods with sidecar and 200 to plain pods: it does not take the headers that the sidecar adds",
        ("431; plain pods: 200", "added: x-envoy-peer-metadata, x-forwarded-proto"),
        "turn them off with proxyHeaders in the pod's annotation proxy.istio.io/config: attemptCount, requestId, metadataExchangeHeaders, preserveHttp1HeaderCase",
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0508": (
        "error",
        "virtualservice/my-pay",
        "virtualservice/my-pay gives api.pay.example 1s to answer, which is not enough",
        ("504", "given up after 0.0 s"),
        'kubectl patch virtualservice my-pay -n shop --type=json -p \'[{"op":"remove","path":"/spec/http/0/timeout"}]\'',
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0509": (
        "error",
        "service/my-pay",
        'api.pay.example:443 speaks TLS, and port 443 "http" is for plain HTTP',
        ("400 to plain HTTP",),
        "kubectl extsvc create my-pay -n shop --address 203.0.113.20 --host api.pay.example --port tls:443 --overwrite",
        ("shop/cron-55",),
        (443,),
    ),
    "XS0601": (
        "error",
        "service/my-pay",
        "the proxy blocks httpbin.org: REGISTRY_ONLY, and no ServiceEntry attaches the alias",
        ("502", "route: block_all on 0.0.0.0_80"),
        "kubectl extsvc create my-pay -n shop --external-name httpbin.org --port http:80 --overwrite",
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0602": (
        "error",
        "virtualservice/my-pay",
        "virtualservice/my-pay makes the proxy answer by itself",
        ("503",),
        "kubectl delete virtualservice my-pay -n shop",
        ("shop/web-7d9f",),
        (80,),
    ),
    "XS0701": (
        "warning",
        "service/my-pay",
        "pods with and without sidecar are shown certificates for different names",
        (
            "with sidecar: 200, certificate for other.example",
            "without: 200, certificate for api.pay.example",
            "route: outbound|80||my-pay.shop.svc.cluster.local",
        ),
        "kubectl extsvc verify my-pay -n shop -o wide",
        ("shop/web-7d9f",),
        (443,),
    ),
}


def words(finding: Finding) -> Words:
    return (
        finding.severity.value,
        str(finding.subject),
        finding.message,
        finding.evidence,
        finding.cure,
        finding.sources,
        finding.ports,
    )


def test_every_rule_has_a_case_that_fires_it_and_one_that_does_not() -> None:
    assert sorted(FIRING) == sorted(SILENT) == sorted(SAID) == sorted(CAUSAL_ORDER)


@pytest.mark.parametrize("code", sorted(CAUSAL_ORDER))
def test_rule_is_the_only_one_to_speak_of_its_case(code: str) -> None:
    judgement = judge(FIRING[code])
    assert [(finding.code, words(finding)) for finding in judgement.findings] == [(code, SAID[code])]
    assert judgement.broken == ()


@pytest.mark.parametrize("code", sorted(CAUSAL_ORDER))
def test_rule_looks_at_the_case_beside_it_and_nobody_speaks(code: str) -> None:
    judgement = judge(SILENT[code])
    assert (judgement.findings, judgement.broken) == ((), ())
    assert code in judgement.passed


@pytest.mark.parametrize("code", sorted(CAUSAL_ORDER))
def test_cure_is_one_line_that_a_shell_can_read(code: str) -> None:
    cure = SAID[code][4]
    assert "\n" not in cure
    command = cure[cure.index("kubectl") :] if "kubectl" in cure else ""
    assert shlex.split(command)[:1] == (["kubectl"] if command else [])


def test_a_finding_is_never_worse_than_its_rule() -> None:
    worst = {rule.code: rule.severity.value for rule in RULES}
    assert {code: said[0] for code, said in SAID.items()} == worst

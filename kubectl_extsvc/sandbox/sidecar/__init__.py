"""The sandbox's mesh: what istiod makes of the objects (mesh/istiod), bent to loopback, and the Envoys.

What a proxy holds is named and shaped as istiod 1.31 does it, and what it then does is Envoy's own. Beside what
mesh/istiod does not hold, these differ, and why:

    gateways, egress proxies, ambient, several clusters   each pod has one proxy, without an inbound side: a server in a
                                                          pod is not behind it, PeerAuthentication is not read
    Istio's own filters (x-envoy-peer-metadata)           they are not in an Envoy that the Envoy project builds
    ALLOW_ANY_DYNAMIC_DNS, resolution DYNAMIC_DNS         Envoy itself would ask the real DNS; taken as ALLOW_ANY, NONE
    DNS capture, automatic addresses                      names are resolved outside of the proxy
    targetPort with resolution NONE                       where a connection leads is known before the proxy sees it
    listeners that a Sidecar binds to a port              nobody binds to the pretended pod's ports
    rights of service accounts to Secrets                 a Secret beside the pod can be read; one that is missing keeps
                                                          its cluster warming, as in a real mesh
    IPv6                                                  loopback ports play IPv4 connections
"""

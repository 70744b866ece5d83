"""The sandbox's mesh: objects into Envoy's configuration, and the Envoys.

What a proxy holds is named and shaped as istiod 1.31 does it, and what it then does is Envoy's own. Not held, and why:

    gateways, egress proxies, ambient, several clusters   each pod has one proxy, without an inbound side: a server in a
                                                          pod is not behind it, PeerAuthentication is not read
    EnvoyFilter, Telemetry, WasmPlugin, ProxyConfig       the API has not these kinds; meshConfig is read
    Istio's own filters (x-envoy-peer-metadata)           they are not in an Envoy that the Envoy project builds
    ALLOW_ANY_DYNAMIC_DNS, resolution DYNAMIC_DNS         Envoy itself would ask the real DNS; taken as ALLOW_ANY, NONE
    DNS capture, automatic addresses                      names are resolved outside of the proxy
    targetPort with resolution NONE                       where a connection leads is known before the proxy sees it
    subsets, load balancing, outlier detection            they say nothing of the way and the TLS of an external service
    VirtualServices beyond what leads an alias            held are http routes to one destination by port and path, with
                                                          rewrite.authority, request headers that are set, and timeout
    ports of Sidecar.egress, hosts by VirtualServices     a Sidecar's hosts count for all ports, and only as they stand
    workloadSelector of a Sidecar                         each holds for all of its namespace
    endpoints that are not ready                          they are left out: nothing would be sent to them
    proxyHeaders beyond a header that is disabled         requestId, attemptCount, envoyDebugHeaders and server are read
    rights of service accounts to Secrets                 a Secret beside the pod can be read; one that is missing keeps
                                                          its cluster warming, as in a real mesh
    IPv6                                                  loopback ports play IPv4 connections
"""

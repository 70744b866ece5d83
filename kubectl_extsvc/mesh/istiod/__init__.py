"""What istiod gives a proxy: objects into Envoy's configuration, by its names and shapes (istio 1.31).

computed.py answers; the others are istiod's own steps in its own words. Not held, and what it means:

    EnvoyFilter, Telemetry, WasmPlugin,           they are not read: a proxy that they change is not what we compute
    ProxyConfig, AuthorizationPolicy
    PeerAuthentication                            a namespace with mode DISABLE turns its clients' auto-mTLS off
    Gateway API, inference pools                  routes for Services (GAMMA) and BackendTLSPolicy are not read
    delegates of VirtualServices                  such a VirtualService makes the way unknown
    gateways, waypoints, ambient, HBONE           sidecars alone, their outbound side
    several clusters and networks                 every endpoint is in the one cluster
    WorkloadEntry                                 a ServiceEntry's workloadSelector finds pods alone
    a port with protocol HTTP_PROXY in a Sidecar  its listener is there, its route table is that of the port
    load balancing, outlier detection, pools      they say nothing of the way; the balancer PASSTHROUGH is held
    CORS, hash policies, tunnels, PROXY protocol  neither of the way nor of its TLS
    Istio's own filters (x-envoy-peer-metadata)   what they add to a request is not computed
    locality of endpoints, DNS families           all endpoints are in one locality; names are looked up as IPv4
    order in which istiod saw things              an endpoint has the labels that its pod has now
"""

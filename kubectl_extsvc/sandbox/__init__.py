"""A cluster that is not there: a small Kubernetes API on loopback, pods that really probe, real Envoys as sidecars.

    api/        objects: stored, watched, admitted, garbage-collected; the requests that kubectl makes
    outside/    what is outside the cluster: hosts, addresses, HTTP and TLS servers
    pods/       what a command in a container does: curl through names and addresses of the pretended network
    sidecar/    objects into Envoy's configuration, and the Envoys
    scenarios/  worlds to start in, whole or broken

Every (address, port) of the pretended network is a port on 127.0.0.1. Nothing is a recorded answer.
"""

"""Laws of Kubernetes, Istio and Envoy, pure, each with its source."""

"""What istiod gives a proxy: objects into Envoy's configuration."""

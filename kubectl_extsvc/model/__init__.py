"""Our nouns, frozen. Knows nothing of clusters, proxies or terminals."""

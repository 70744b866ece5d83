"""The only door to the cluster; kubernetes_asyncio lives here."""

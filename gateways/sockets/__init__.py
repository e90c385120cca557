"""Socket.IO: the server, its guards and its namespaces."""

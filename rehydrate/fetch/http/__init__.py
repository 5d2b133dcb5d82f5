"""One image over HTTP: the client, what answers mean, which hosts may be asked, proxies, and packed bodies.

Nothing is re-exported: a worker process imports only the modules that it needs.
"""

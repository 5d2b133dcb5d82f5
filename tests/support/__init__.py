"""What several tests share: small worlds, servers that behave as the real ones do, tiny models, releases."""

"""Runs a stage over shards or parts: in this process, one process a device, or on Ray."""

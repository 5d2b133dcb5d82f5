"""Where posts and images come from: one folder a platform or format, each of which returns posts in one shape.

A new platform adds a folder here and changes none. Nothing is re-exported: no folder needs what another imports.
"""

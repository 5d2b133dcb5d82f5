"""Where posts come from: one folder a platform or format, each gives posts in one shape."""

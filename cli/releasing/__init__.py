"""Commands by which something leaves a working folder, or is taken out of everything."""

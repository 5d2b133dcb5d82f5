"""The tables of datasets: how files of a release are called, and in which formats others come."""

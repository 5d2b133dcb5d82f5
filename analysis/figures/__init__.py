"""The figures of the paper: what each needs, computes, draws and says."""

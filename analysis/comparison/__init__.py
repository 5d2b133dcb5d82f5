"""How distinct sets of images are: common clusters, divergences, kernel distances, manifolds, hubs, one map of all.

`cluster_shares`, `hubness`, `joint_map` and `manifold` are imported from the modules of their names.
"""

from twigma.analysis.exports import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "divergence": ("kl_matrix",),
        "divergence_sensitivity": ("kl_sensitivity",),
        "hubness": ("csls",),
        "joint_map": ("overlaps",),
        "kernel_distance": (
            "cmmd",
            "kernel_distances",
            "kid",
        ),
        "manifold": ("manifolds",),
    },
)

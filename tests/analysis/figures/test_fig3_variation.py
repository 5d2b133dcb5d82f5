"""What Fig 3a and 3b are computed from: images by artist and prompt."""

from twigma.analysis.figures.fig3_variation import grouped_sets
from twigma.analysis.inputs import load
from twigma.analysis.inputs.requirements import Settings


def test_groups_are_those_of_the_images(planted):
    data = load.load(planted.release, planted.work, planted.references)
    groups = grouped_sets(data, Settings())
    shapes = {name: embedding.shape for name, (embedding, _) in groups.items()}
    assert shapes == {"same artist": (150, 32), "same prompt": (150, 32)}

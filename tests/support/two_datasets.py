"""What two datasets of one owner are: one of posts on X, and one of photographs of their own."""

import datetime

from twigma.builder.release.identity import Creator, Identity

DAY = datetime.date(2026, 11, 28)
POSTS = Identity(
    title="Posts on bridges",
    name="bridge-posts",
    description="Photographs of bridges that people posted.",
    creators=(Creator("The Bridge Society", is_organization=True),),
    contact="bridges@example.org",
    license="CC-BY-NC-4.0",
    source="Posts under #bridge.",
    date=DAY,
    keywords=("bridges",),
)
PHOTOS = Identity(
    title="Our own murals",
    name="own-murals",
    description="Photographs of murals, taken by the makers.",
    creators=(Creator("The Mural Club", is_organization=True),),
    contact="https://example.org/murals",
    license="CC0-1.0",
    source="Photographs by the makers.",
    date=DAY,
    keywords=("murals",),
    ai_generated=False,
)

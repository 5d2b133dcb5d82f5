import pytest

from twigma.dataset.opened_release import open_release


@pytest.fixture(scope="session")
def release(mapped):
    """The release with a map, opened."""
    return open_release(mapped)

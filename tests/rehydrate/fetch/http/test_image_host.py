import pytest

from twigma.rehydrate.fetch.http.image_host import check_allowed, host_of


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://images.lab", "images.lab"),
        ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("https://me:word@images.lab/mirror", "images.lab"),
    ],
)
def test_the_host_of_an_address(url, host):
    assert host_of(url) == host


@pytest.mark.parametrize(
    "url",
    ["images.lab", "127.0.0.1:8080", "ftp://h", "https://", "http://h:x", "http://[::1", "http://h?a=1", "/srv"],
)  # fmt: skip
def test_what_is_no_address_is_refused_by_the_name_of_its_variable(url):
    with pytest.raises(
        ValueError, match=r"TWIGMA_IMAGE_URL.*https://images.lab.*found"
    ):
        host_of(url)


def test_allowed_hosts_have_one_spelling():
    assert check_allowed(["Images.LAB:80", "[0:0::1]:80", "::1", "127.0.0.1"]) == [
        "images.lab:80",
        "[::1]:80",
        "[::1]",
        "127.0.0.1",
    ]


@pytest.mark.parametrize("entry", ["http://h:80", "h/x", "h:port", "", "me@h"])
def test_an_entry_that_could_match_no_host_is_refused(entry):
    with pytest.raises(ValueError, match=r"TWIGMA_ALLOW_HOSTS.*\[::1\]:8080, found"):
        check_allowed([entry])

"""Calls that fail: tried again, looked up before they are repeated, refused in a sentence of their own."""

import pytest
from support.hub import Hub

import twigma

REPO = "acme/twigma"
HERE = f"/api/datasets/{REPO}"
# A call of a first publication, and what shows that it was made: method, end of the path.
CALLS = (
    ("GET", HERE),
    ("POST", "/api/repos/create"),
    ("PUT", f"{HERE}/settings"),
    ("POST", f"{HERE}/preupload/main"),
    ("POST", f"{HERE}/commit/main"),
    ("POST", f"{HERE}/tag/{{sha}}"),
    ("GET", f"{HERE}/refs"),
)


def end_of(path):
    """The end of a path whose commit is not known yet."""
    return path.removesuffix("{sha}")


class LooseEnds(Hub):
    """A Hub whose faults match paths that go on after the text of the fault, where that ends with a slash."""

    def take_fault(self, method, path):
        for fault in self.faults:
            if fault.path.endswith("/") and path.startswith(fault.path):
                fault.path = path
        return super().take_fault(method, path)


@pytest.fixture
def hub(hub):
    hub.__class__ = LooseEnds
    return hub


@pytest.mark.parametrize("status", [429, 503, 504])
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_every_call_is_tried_again(hub, publish, method, path, status):
    hub.fault(method, end_of(path), status, times=2)
    assert publish().done
    store = hub.repos[REPO]
    assert (set(store.tags), store.gated, len(store.commits)) == ({"v1.0.0"}, "auto", 3)
    assert publish().is_current
    assert not any(fault.times for fault in hub.faults)


@pytest.mark.parametrize(("method", "path"), CALLS[1:6])
def test_what_was_done_although_the_answer_was_lost_is_not_done_again(
    hub, publish, method, path
):
    hub.fault(method, end_of(path), 504, after=True)
    assert publish().done
    store = hub.repos[REPO]
    assert (set(store.tags), store.gated, len(store.commits)) == ({"v1.0.0"}, "auto", 3)
    if "preupload" not in path:
        asked = [(verb, at) for verb, at, _ in hub.log]
        assert asked.count((method, hub.faults[0].path)) == 1


SENTENCES = {
    401: (
        PermissionError,
        r"does not accept the token for acme/twigma \(HTTP 401.*hf auth login",
    ),
    403: (
        PermissionError,
        r"this token may not do that with acme/twigma \(HTTP 403.*role `write`.* in acme",
    ),
    404: (
        FileNotFoundError,
        r"acme/twigma is not on the Hub, or lacks .*\(HTTP 404.*hf auth whoami",
    ),
    409: (RuntimeError, r"in another state than expected \(HTTP 409"),
    412: (RuntimeError, r"was changed meanwhile \(HTTP 412"),
    429: (OSError, r"limits how often it may be asked.*\(HTTP 429.*some minutes"),
    500: (OSError, r"the Hub is in trouble \(HTTP 500.*nothing is wrong on this side"),
    503: (OSError, r"the Hub is in trouble \(HTTP 503"),
    400: (OSError, r"refuses what was asked of acme/twigma \(HTTP 400"),
}


@pytest.mark.parametrize("status", SENTENCES)
def test_each_refusal_has_a_sentence_of_its_own(hub, publish, status):
    kind, sentence = SENTENCES[status]
    hub.fault("PUT", "/settings", status, times=100)
    with pytest.raises(kind, match=sentence) as refused:
        publish()
    assert len(str(refused.value).splitlines()) == 1
    assert "<" not in str(refused.value)
    store = hub.repos[REPO]
    assert store.commits[-1][1] == {} and not store.tags


def test_a_large_file_that_is_not_taken_is_sent_again_or_named(hub, publish):
    hub.large = True
    hub.fault("PUT", f"/store/{REPO}/", 503, times=2)
    assert publish().done
    hub.repos.clear()
    hub.faults.clear()
    hub.fault("POST", "/info/lfs/objects/batch", 403, times=99)
    with pytest.raises(PermissionError, match=r"may not do that.*HTTP 403"):
        publish()
    hub.faults.clear()
    hub.fault("PUT", f"/store/{REPO}/", 413, times=99)
    with pytest.raises(OSError, match=r"refuses what was asked.*HTTP 413") as refused:
        publish()
    assert "Traceback" not in str(refused.value)
    hub.faults.clear()
    assert publish().done and publish().is_current


def test_a_token_that_may_only_read_is_refused_by_name(hub, publish):
    with pytest.raises(PermissionError, match="use one with the role `write`"):
        publish(token=hub.reader)
    assert not hub.repos


def test_a_page_in_place_of_an_answer_is_no_success(hub, publish):
    publish()
    hub.repos[REPO].tags.clear()
    hub.faults.clear()
    hub.fault("POST", f"{HERE}/tag/", 200)  # a login page, which is no tag
    with pytest.raises(
        OSError, match=r"answers as if it were done.*tag v1\.0\.0.*proxy"
    ):
        publish()
    hub.fault("GET", HERE, 200)
    with pytest.raises(OSError, match=r"is not the Hub \(JSONDecodeError.*proxy"):
        publish(go=False)
    assert publish().done and set(hub.repos[REPO].tags) == {"v1.0.0"}


def test_a_redirect_to_another_host_does_not_carry_the_token(hub, publish):
    with Hub() as other:
        # Another origin by its name and by its port.
        there = other.url.replace("127.0.0.1", "localhost")
        for method, path in (("GET", HERE), ("PUT", f"{HERE}/settings")):
            hub.faults.clear()
            to = (("Location", f"{there}{path}"),)
            hub.fault(method, path, 307, headers=to, times=9)
            with pytest.raises(OSError):
                publish()
        assert other.log and other.authorizations == {""}


def test_the_user_agent_names_this_software(hub, publish):
    publish()
    publish(go=False)
    name = f"twigma/{twigma.__version__};"
    assert hub.agents and all(agent.startswith(name) for agent in hub.agents)

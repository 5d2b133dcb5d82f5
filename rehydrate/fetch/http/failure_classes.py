"""The classes of photos that could not be fetched, by whether asking again may help.

It imports nothing: who counts photos needs no HTTP client.
"""

# Failures that pass: another try, in this run or a later one, may succeed.
RETRYABLE = frozenset(
    {"http_5xx", "http_429", "http_408", "http_425", "timeout", "connection", "dns"}
)
# Failures that depend on who asks, from where and when: a login, a block, a captive portal, the settings here.
DEPENDENT = frozenset(
    {"http_401", "http_403", "http_451", "http_4xx", "refused", "not_an_image"}
)
# Failures of the image itself, which the same request meets again.
FINAL = frozenset({"http_404", "http_410", "noai", "too_large", "decode"})

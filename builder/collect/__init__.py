"""Which hashtags to search for, and the search.

`hashtag_curation.py` proposes hashtags, `collect.py` searches for them; each holds the function of its command.
"""

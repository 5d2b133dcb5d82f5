"""The two vocabularies of the X API v2, and the fields of a post that are asked for in each.

`legacy` calls a post a tweet, `current` a post; an answer uses the names of its request.
"""

from collections.abc import Mapping
from typing import Literal

Dialect = Literal["legacy", "current"]
_MEDIA = {"media.fields": "height,media_key,type,url,width"}
FIELDS: Mapping[str, Mapping[str, str]] = {
    "legacy": {
        "tweet.fields": "attachments,author_id,created_at,edit_history_tweet_ids,entities,id,note_tweet,"
        "possibly_sensitive,public_metrics,referenced_tweets,text",
        "expansions": "attachments.media_keys",
        **_MEDIA,
    },
    # `author_id` and `referenced_posts` are expansions here, which are billed: left out unless asked for.
    "current": {
        "post.fields": "attachments,created_at,entities,id,note_post,possibly_sensitive,public_metrics,text",
        "expansions": "attachments.media_keys",
        **_MEDIA,
    },
}


def fields_of(dialect: Dialect, followers: bool) -> dict[str, str]:
    """The query parameters that name the fields of a post; `followers` adds those of its author, who is billed."""
    fields = dict(FIELDS[dialect])
    if followers:
        fields["expansions"] += ",author_id"
        fields["user.fields"] = "id,public_metrics"
    return fields

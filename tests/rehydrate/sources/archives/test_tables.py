"""CSV tables as twarc-csv, tweepy, snscrape, rtweet and 4CAT write them."""

import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from support.archived import CAPTURED, Row, image, post, url

from twigma.rehydrate.ledger.ledger import Ledger
from twigma.rehydrate.sources.archives.import_archives import import_archives

POSTS = [post(0), post(1, photos=3), post(2, photos=0)]
SEARCH = "https://api.twitter.com/2/tweets/search/all?"


def snscrape(one: Row) -> Row:
    """A line of `snscrape --jsonl`."""
    photos = []
    for media in one["media"]:
        base = media["url"].removesuffix(".jpg")
        photos.append(
            {
                "_type": "snscrape.modules.twitter.Photo",
                "previewUrl": f"{base}?format=jpg&name=small",
                "fullUrl": f"{base}?format=jpg&name=large",
            }
        )
    metrics, author = one["public_metrics"], one["author"]
    return {
        "_type": "snscrape.modules.twitter.Tweet",
        "url": f"https://twitter.com/painter/status/{one['id']}",
        "date": one["created_at"].replace(".000Z", "+00:00"),
        "rawContent": one["text"],
        "renderedContent": one["text"],
        "id": int(one["id"]),
        "user": {
            "_type": "snscrape.modules.twitter.User",
            "username": author["username"],
            "id": int(author["id"]),
            "followersCount": author["public_metrics"]["followers_count"],
        },
        "replyCount": metrics["reply_count"],
        "retweetCount": metrics["retweet_count"],
        "likeCount": metrics["like_count"],
        "quoteCount": metrics["quote_count"],
        "media": photos or None,
        "retweetedTweet": None,
        "quotedTweet": None,
        "hashtags": [tag["tag"] for tag in one["entities"]["hashtags"]],
    }


def snscrape_csv(one: Row) -> Row:
    """A row of a data frame of snscrape's objects: media are shown as Python does."""
    row = snscrape(one)
    shown = [
        f"Photo(previewUrl='{media['previewUrl']}', fullUrl='{media['fullUrl']}')"
        for media in row["media"] or []
    ]
    user = f"User(username='{row['user']['username']}', id={row['user']['id']})"
    media = f"[{', '.join(shown)}]" if shown else ""
    return row | {"media": media, "user": user}


def twarc_csv(one: Row) -> Row:
    flat: Row = {
        "id": one["id"],
        "referenced_tweets.retweeted.id": "",
        "author_id": one["author_id"],
        "created_at": one["created_at"],
        "text": one["text"],
        "possibly_sensitive": one["possibly_sensitive"],
        "entities.hashtags": json.dumps(one["entities"]["hashtags"]),
        "attachments.media": json.dumps(one["media"]) if one["media"] else "",
        "attachments.media_keys": (
            json.dumps(one["attachments"]["media_keys"]) if one["media"] else ""
        ),
        "author.id": one["author"]["id"],
        "author.public_metrics.followers_count": (
            one["author"]["public_metrics"]["followers_count"]
        ),
        "__twarc.retrieved_at": CAPTURED,
        "__twarc.url": f"{SEARCH}expansions=author_id%2Cattachments.media_keys",
        "__twarc.version": "2.13.0",
    }
    for name, count in one["public_metrics"].items():
        flat[f"public_metrics.{name}"] = float(count)  # pandas, where there are gaps
    return flat


def tweepy_csv(one: Row) -> Row:
    """A row of `pandas.DataFrame([tweet.data for tweet in tweets])`."""
    names = ("id", "text", "created_at", "author_id", "public_metrics", "entities")
    row = {name: one[name] for name in names}
    media = {"media_keys": one["attachments"]["media_keys"]}
    return row | {"attachments": media if one["media"] else None}


def rtweet_csv(one: Row) -> Row:
    """A row of `write_as_csv` of rtweet 0.7."""
    urls = [media["url"].replace("https", "http") for media in one["media"]]
    metrics = one["public_metrics"]
    return {
        "user_id": f"x{one['author_id']}",
        "status_id": f"x{one['id']}",
        "created_at": one["created_at"][:19].replace("T", " "),
        "text": one["text"],
        "is_retweet": "FALSE",
        "favorite_count": metrics["like_count"],
        "retweet_count": metrics["retweet_count"],
        "quote_count": metrics["quote_count"],
        "reply_count": metrics["reply_count"],
        "hashtags": " ".join(tag["tag"] for tag in one["entities"]["hashtags"]),
        "media_url": urls[0] if urls else "NA",
        "ext_media_url": " ".join(urls) or "NA",
        "followers_count": one["author"]["public_metrics"]["followers_count"],
    }


def fourcat_csv(one: Row) -> Row:
    return {
        "id": one["id"],
        "thread_id": one["id"],
        "timestamp": one["created_at"][:19].replace("T", " "),
        "body": one["text"],
        "author": one["author"]["username"],
        "author_id": one["author_id"],
        "author_followers": one["author"]["public_metrics"]["followers_count"],
        "possibly_sensitive": "yes" if one["possibly_sensitive"] else "no",
        **one["public_metrics"],
        "is_retweet": "no",
        "hashtags": ",".join(tag["tag"] for tag in one["entities"]["hashtags"]),
        "images": ",".join(media["url"] for media in one["media"]),
    }


TABLES = {
    "twarc-csv": twarc_csv,
    "snscrape": snscrape_csv,
    "rtweet": rtweet_csv,
    "4CAT": fourcat_csv,
}
SHARED = ("id", "image_name", "like_count", "reply_count", "quote_count", "text")


def rows(work: Path) -> list[Row]:
    return pq.read_table(work / "images.parquet").to_pylist()


def expected() -> list[tuple[Any, ...]]:
    """What the posts come to in SHARED, from the posts themselves."""
    return [
        (one["id"], media["media_key"].split("_")[1],
         *(one["public_metrics"][name] for name in SHARED[2:5]), one["text"])
        for one in POSTS for media in one["media"]
    ]  # fmt: skip


def check(work: Path, *, followers: bool) -> None:
    table = rows(work)
    assert [tuple(row[name] for name in SHARED) for row in table] == expected()
    assert [row["created_at"].isoformat() for row in table] == [
        one["created_at"][:19] for one in POSTS for _ in one["media"]
    ]
    if followers:
        assert [row["author_id"] for row in table][:2] == ["44196000", "44196001"]
        assert [row["follower_count"] for row in table][:2] == [100, 101]
    assert all(row["hashtags"] == ["aiart", "stablediffusion"] for row in table)
    with Ledger(work) as ledger:
        assert ledger.counts() == {"found": 3}


@pytest.mark.parametrize(
    ("separator", "encoding"), [(",", "utf-8-sig"), (";", "utf-8"), ("\t", "utf-16")]
)
@pytest.mark.parametrize("tool", TABLES)
def test_a_table_of_a_tool_comes_to_the_same_rows(
    tool: str, separator: str, encoding: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    frame = pd.DataFrame([TABLES[tool](one) for one in POSTS])
    frame.to_csv(file, index=False, sep=separator, encoding=encoding)
    result = import_archives(tmp_path / "w", [file])
    assert result.failures == {}
    assert result.imported[file] == (3, 3, 0, None, False)
    check(tmp_path / "w", followers=tool != "snscrape")


def test_the_lines_of_snscrape_come_to_the_same_rows(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(json.dumps(snscrape(one)) for one in POSTS))
    import_archives(tmp_path / "w", [file])
    check(tmp_path / "w", followers=True)


def test_a_snscrape_post_has_the_photos_of_what_it_quotes_apart(tmp_path: Path) -> None:
    quoting = snscrape(POSTS[2]) | {"quotedTweet": snscrape(POSTS[1])}
    quoting["media"] = [{"_type": "snscrape.modules.twitter.Video", "variants": []}]
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(quoting))
    result = import_archives(tmp_path / "w", [file])
    assert {row["id"] for row in rows(tmp_path / "w")} == {POSTS[1]["id"]}
    assert len(rows(tmp_path / "w")) == 3
    counted = {row["reason"]: row["count"] for row in result.skipped.to_pylist()}
    assert counted["video"] == 1 and counted["no photo"] == 1


def test_a_table_of_tweepy_has_media_keys_and_no_photos(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    pd.DataFrame([tweepy_csv(one) for one in POSTS]).to_csv(file, index=False)
    result = import_archives(tmp_path / "w", [file])
    with Ledger(tmp_path / "w") as ledger:
        assert ledger.outcomes([one["id"] for one in POSTS]) == {
            POSTS[0]["id"]: "photos_unknown",
            POSTS[1]["id"]: "photos_unknown",
            POSTS[2]["id"]: "found",  # the column is there, and it is empty
        }
    assert result.photos_unknown == 2


def test_empty_cells_of_twarc_csv_say_nothing_where_media_were_not_asked_for(
    tmp_path: Path,
) -> None:
    one = twarc_csv(POSTS[2]) | {"__twarc.url": f"{SEARCH}tweet.fields=id%2Ctext"}
    file = tmp_path / "a.csv"
    pd.DataFrame([one]).to_csv(file, index=False)
    assert import_archives(tmp_path / "w", [file]).photos_unknown == 1


def test_a_retweet_in_a_table_has_no_photo_of_its_own(tmp_path: Path) -> None:
    marks = {
        "twarc-csv": {"referenced_tweets.retweeted.id": "12"},
        "rtweet": {"is_retweet": "TRUE"},
        "4CAT": {"is_retweet": "yes"},
        "snscrape": {"retweetedTweet": "Tweet(url='https://twitter.com/a/status/1')"},
    }
    for tool, mark in marks.items():
        file = tmp_path / f"{tool}.csv"
        pd.DataFrame([TABLES[tool](POSTS[0]) | mark]).to_csv(file, index=False)
        result = import_archives(tmp_path / tool, [file])
        counted = {row["reason"]: row["count"] for row in result.skipped.to_pylist()}
        assert counted == {"photo": 0, "with photos": 0, "retweet": 1}, tool


def test_bad_rows_are_listed_by_their_line(tmp_path: Path) -> None:
    good = twarc_csv(POSTS[0])
    rows_ = [
        good,
        good | {"id": "1.56e+18"},
        good | {"id": POSTS[1]["id"], "text": "two\nlines"},
    ]
    file = tmp_path / "a.csv"
    with file.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(good))
        writer.writeheader()
        writer.writerows(rows_)
        handle.write("short,row\n")
        writer.writerow(good | {"id": POSTS[2]["id"]})
    one = import_archives(tmp_path / "w", [file]).imported[file]
    assert one.records == 3 and one.quarantine is not None
    with one.quarantine.open(newline="") as handle:
        listed = [(int(row["line"]), row["reason"]) for row in csv.DictReader(handle)]
    assert listed == [
        (3, "post id '1.56e+18': scientific notation: digits are lost"),
        (6, f"expected {len(good)} cells, found 2"),
    ]


def test_a_table_without_media_is_a_list_of_ids(tmp_path: Path) -> None:
    file = tmp_path / "ids.csv"
    file.write_text("id,text\n1561783901234567001,a\n")
    result = import_archives(tmp_path / "w", [file])
    assert (
        "found line 1: a table without a column of media (attachments.media, media, ext_media_url, images), "
        "but of id, text: where it has ids, pass it to `twigma rehydrate --ids`"
        in result.failures[file]
    )


def test_the_photo_of_another_kind_of_address_is_counted(tmp_path: Path) -> None:
    row = rtweet_csv(POSTS[0])
    row["ext_media_url"] = f"{url(image(0))} https://pbs.twimg.com/media/short.jpg"
    file = tmp_path / "a.csv"
    pd.DataFrame([row]).to_csv(file, index=False)
    result = import_archives(tmp_path / "w", [file])
    counted = {row["reason"]: row["count"] for row in result.skipped.to_pylist()}
    assert counted["photo"] == 1 and counted["no media id"] == 1

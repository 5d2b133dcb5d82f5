"""Working folders and releases in an object store, `s3://BUCKET/FOLDER` or `gs://BUCKET/FOLDER`, and their mirrors.

Everything else works on files: the mirror is a folder of this machine that is brought up to the store when a command
begins, and whose finished files are sent there. Tars are fetched when they are read, the next one ahead, and dropped
afterwards. Raw pages, the ledger, locks and what is not finished stay here.

    from twigma.core.storage.mirrors import mirrored

    with mirrored("s3://lab/ai-images") as work:
        embed_shards(work)

`mirrors.py` is what other rooms call; `mirror.py` compares the two sides and sends; `tars.py` fetches tars.
"""

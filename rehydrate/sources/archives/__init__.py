"""Archives of X posts that somebody else captured, by twarc, academictwitteR, Zeeschuimer, 4CAT, snscrape or rtweet.

`import_archives.py` is the function behind `twigma import`. `sources.py` finds and unpacks archives, `records.py` reads
their lines and rows, and `formats.py` turns each into posts as the API writes them, with a file for each kind:
`api_v2.py`, `legacy_formats.py`, `snscrape.py` and `tables.py`.
"""

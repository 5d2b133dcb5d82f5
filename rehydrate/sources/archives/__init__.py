"""Archives of X posts that somebody else captured: twarc, Zeeschuimer, 4CAT, in JSON lines.

`import_archives.py` is the function behind `twigma import`; `records.py` reads lines, `formats.py` and
`legacy_formats.py` turn a record into posts as the API writes them.
"""

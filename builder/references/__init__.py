"""Reference sets to compare with: photographs, paintings, prompts, published embeddings.

`add_reference.py` is the function behind `twigma reference add`; `folder.py` writes a set, `record.py` its
`reference.json`; the readers are one module a format.
"""

from twigma.builder.references.catalogue import TABLE, Known
from twigma.builder.references.record import Record, read_records

__all__ = ["TABLE", "Known", "Record", "read_records"]

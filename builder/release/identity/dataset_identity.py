"""What a dataset is: title, creators, contact, licence, source and citation, of one working folder and its releases.

`twigma init` writes them to `WORK/dataset.toml` for the user to fill in (`dataset_toml.py`), `twigma release` reads
them and stores them in MANIFEST.json; the card, the datasheet, the Croissant file, publishers and the report take them
from there. Nothing here is true of all datasets: TWIGMA is one of them.
"""

import datetime
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from twigma.builder.release.identity.checks import (
    is_orcid,
    require_contact,
    require_line,
    require_url,
    spdx,
)

# What BibTeX and LaTeX would read as their own.
BIBTEX = str.maketrans({**{c: f"\\{c}" for c in "&%$#_"}, "{": "", "}": ""})
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Creator:
    """A person ("Family, Given") with ORCID iD and affiliation where known, or an organisation."""

    name: str
    orcid: str = ""
    affiliation: str = ""
    is_organization: bool = False

    def __post_init__(self) -> None:
        require_line(self.name, "the name of a creator")
        if self.is_organization:
            return
        family, _, given = self.name.partition(",")
        if not family.strip() or not given.strip():
            raise ValueError(
                f'expected the name of a person as "Family, Given", found {self.name!r}; '
                "an organisation is named by `organization`"
            )
        if self.orcid and not is_orcid(self.orcid):
            raise ValueError(
                f"expected the ORCID iD of {self.name} as 0000-0002-1825-0097, its last character a check digit, "
                f"found {self.orcid!r}"
            )

    @property
    def family(self) -> str:
        """The family name of a person; the whole name of an organisation."""
        if self.is_organization:
            return self.name
        return self.name.partition(",")[0].strip()

    @property
    def full_name(self) -> str:
        """The name as it is read: given name first."""
        if self.is_organization:
            return self.name
        family, _, given = self.name.partition(",")
        return f"{given.strip()} {family.strip()}"


@dataclass(frozen=True)
class Identity:
    """What a dataset is. Empty strings, no creators and None mean that it is not stated.

    `license` is an SPDX expression, of the table that is released; `contact` an e-mail address or a URL; `citation`
    BibTeX or a sentence; `date` the day of publication; `ai_generated` whether models made the images. Raises
    ValueError for a value that is not as it should be.
    """

    title: str
    name: str  # short, as in the address of a page
    description: str = ""
    creators: tuple[Creator, ...] = ()
    contact: str = ""
    license: str = ""
    source: str = ""
    citation: str = ""
    url: str = ""
    date: datetime.date | None = None
    keywords: tuple[str, ...] = ()
    ai_generated: bool | None = None

    def __post_init__(self) -> None:
        require_line(self.title, "title")
        if not NAME.fullmatch(self.name):
            raise ValueError(
                "name: expected up to 64 letters, digits, dots, dashes and underscores, "
                f"as in the address of a page, found {self.name!r}"
            )
        for keyword in self.keywords:
            require_line(keyword, "keywords")
        require_contact(self.contact)
        require_url(self.url)
        if self.license:
            # Frozen: the licence is stored in its canonical spelling.
            object.__setattr__(self, "license", spdx(self.license))

    @property
    def by(self) -> str:
        """The creators as they are read: "Ada Byron, Mary Somerville and The Analytical Society"; "" without any."""
        names = [creator.full_name for creator in self.creators]
        if len(names) < 2:
            return "".join(names)
        return f"{', '.join(names[:-1])} and {names[-1]}"

    @property
    def missing(self) -> list[str]:
        """What a reader will look for and not find."""
        expected = ("description", "creators", "contact", "license", "source")
        return [name for name in expected if not getattr(self, name)]

    def cite(self, version: str, date: datetime.date, doi: str = "") -> str:
        """The citation: as stated, else BibTeX from what is known."""
        if self.citation:
            return self.citation
        authors = []
        for creator in self.creators:
            name = creator.name.translate(BIBTEX)
            # Braces keep BibTeX from taking an organisation's name apart.
            authors.append(f"{{{name}}}" if creator.is_organization else name)
        fields = {
            "title": f"{{{self.title.translate(BIBTEX)}}}",
            "author": " and ".join(authors),
            "year": str(date.year),
            "version": version,
            "doi": doi,
            "url": self.url,
        }
        lines = [f"  {key:<7} = {{{value}}}" for key, value in fields.items() if value]
        key = re.sub(r"[^A-Za-z0-9]", "", self.name).lower()
        entry = ",\n".join(lines)
        return f"@misc{{{key}{date.year},\n{entry}\n}}"

    def to_json(self) -> dict[str, Any]:
        """As it stands in MANIFEST.json; `from_json` reads it."""
        values = asdict(self)
        values["date"] = None if self.date is None else self.date.isoformat()
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Identity":
        """The identity in a MANIFEST.json."""
        rest = dict(values)
        date = rest.pop("date")
        creators = tuple(Creator(**one) for one in rest.pop("creators"))
        keywords = tuple(rest.pop("keywords"))
        if date is not None:
            date = datetime.date.fromisoformat(date)
        return cls(creators=creators, keywords=keywords, date=date, **rest)


TWIGMA = Identity(
    title="TWIGMA: A dataset of AI-Generated Images with Metadata From Twitter",
    name="TWIGMA",
    description="AI-generated images that people posted on Twitter from January 2021 to March 2023.",
    creators=(
        Creator("Chen, Yiqun T.", affiliation="Stanford University"),
        Creator("Zou, James", affiliation="Stanford University"),
    ),
    license="CC-BY-4.0",
    source="Posts on Twitter under hashtags of AI-generated images, such as #aiart and #midjourney.",
    citation="""@inproceedings{chen2023twigma,
  title     = {{TWIGMA}: A dataset of {AI}-Generated Images with Metadata From {Twitter}},
  author    = {Chen, Yiqun T. and Zou, James},
  booktitle = {Advances in Neural Information Processing Systems 36, Datasets and Benchmarks Track},
  year      = {2023}
}""",
    url="https://arxiv.org/abs/2306.08310",
    keywords=("ai-generated-images", "twitter", "social-media"),
    ai_generated=True,
)

"""The words the tiny models know, and their WordPiece tokenizer; any other word falls apart into letters."""

import string
from pathlib import Path
from typing import Any

from twigma.demo.drawing.everyday import EVERYDAY
from twigma.demo.drawing.pen import COLOURS
from twigma.demo.drawing.pictures import MEDIA, THEMES
from twigma.demo.drawing.scenery import BRUSHES

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]"]
COMMON = """
a able about above across after again air all almost along always am an and another any are around art artist as asked
at away back be beautiful because been before began behind being below best better between big bird black book both boy
bright brown but by came can city clear cloud cold come company could country dark day days dead deep did digital do
does dog done door down dream each earth end evening every eyes face fall fantasy far father feel few field find fire
first five fog follow for found four from full gave generated get girl give go gone good got government great grey had
half hand has have he head hear heard her here high him his hold home hour how i if image in into is it its just keep
king knew know land large last late lake leaves left less let life light like little live lonely long look lost love
made make man many may me men might mind minister mist model more morning most mother mountain much must my name near
never new news next night no nor not nothing now of off old on once one only open or other our out over own painted
part people percent picture place poem police portrait president prompt prompts quiet rain ran red report right river
road room run said same sat saw say scene sea second see seemed set she ship should side silence silver sky sleep small
snow so soft some song soon spring star stars state still stone stood story street style such summer sun sunset take
tell ten than that the their them then there these they thing think this those thought three through time to today
together told too took tree trees trending two under until up upon us very voice walked wall want war was water way we
week well went were what when where which while who why will wind window winter with without woods word words work
world would year years yesterday yet you young your
ai aiart generativeart midjourney dalle dalle2 stablediffusion digitalart rt http https co via tonight made try v4 seed
4k detailed cinematic lighting artstation woman's pale veil pink
"""


def words() -> list[str]:
    """Every whole word of the vocabulary, sorted."""
    shown = [*THEMES, *EVERYDAY, *COLOURS, *MEDIA, *BRUSHES, *COMMON.split()]
    return sorted(set(shown))


def write_tokenizer(folder: Path) -> Any:
    """Write the tokenizer files to `folder` and return the tokenizer (a fast BERT tokenizer)."""
    from transformers import BertTokenizer

    letters = string.ascii_lowercase + string.digits + string.punctuation
    pieces = [*SPECIAL, *words(), *letters, *[f"##{letter}" for letter in letters]]
    numbered = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = BertTokenizer(vocab=numbered, do_lower_case=True, model_max_length=77)
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    tokenizer.save_pretrained(folder)
    return tokenizer

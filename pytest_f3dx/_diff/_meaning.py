"""Whether two texts may mean the same in spite of being about the same: numbers, dates, negations. Pure.

No small embedding model separates a contradiction from a paraphrase (see docs/comparing.md), so these are
looked at by rule, and in doubt the texts differ.
"""

from __future__ import annotations

import re
from collections import Counter

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_LIST_MARK = re.compile(r"(?m)^[ \t]*\d{1,3}[.)][ \t]")  # the number of an item in a list says nothing
_ZEROS = re.compile(r"(\.\d*?)0+$")
_THOUSANDS = re.compile(r"^\d{1,3}(?:,\d{3})+(?:\.\d+)?$")
_NAMED = "zero one two three four five six seven eight nine ten eleven twelve".split()
# "one" is left out ("one of them", "this one"); "second" and "may" are other words as well.
_NUMBERS = {word: str(value) for value, word in enumerate(_NAMED) if word != "one"} | {
    "thirteen": "13",
    "fourteen": "14",
    "fifteen": "15",
    "twenty": "20",
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "hundred": "100",
    "thousand": "1000",
    "million": "1000000",
    "half": "1/2",
    "twice": "2",
    "double": "2",
    "first": "1st",
    "third": "3rd",
}
_DATES = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday january february march april june july august "
    "september october november december".split()
)
_NEGATIONS = frozenset(
    "no not never none nothing nobody nowhere neither nor cannot without unable impossible false incorrect "
    "wrong untrue invalid unlikely refuse refused declined denied fail failed fails failing lacks isn aren "
    "kein keine nicht nie niemals nein non pas jamais aucun sin nunca ningún nessuno não".split()
)
# Words that turn a sentence round when one takes the place of the other.
_OPPOSITES = tuple(
    tuple(pair.split("/"))
    for pair in (
        "yes/no true/false always/never all/none more/less more/fewer increase/decrease increased/decreased "
        "increases/decreases rise/fall rises/falls rose/fell higher/lower above/below before/after up/down "
        "open/closed on/off enabled/disabled allowed/forbidden allow/deny accept/reject accepted/rejected "
        "approve/reject approved/rejected approved/denied legal/illegal safe/unsafe safe/dangerous "
        "valid/invalid possible/impossible likely/unlikely left/right north/south "
        "east/west hot/cold good/bad best/worst "
        "positive/negative agree/disagree include/exclude included/excluded pass/fail passed/failed "
        "success/failure win/lose won/lost buy/sell profit/loss first/last minimum/maximum start/end"
    ).split()
)


def doubt(old: str, new: str) -> str:
    """Say why two texts may not mean the same although they are about the same; empty if nothing does.

    Args:
        old: The text that was there.
        new: The text that is there now.

    Returns:
        One line, such as ``the numbers differ: 42 became 43``.
    """
    return _numbers(old, new) or _negations(old, new) or _turned(old, new)


def _words(text: str) -> list[str]:
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def _numbers_in(text: str) -> Counter[str]:
    found = Counter({_plain(number): 1 for number in _NUMBER.findall(_LIST_MARK.sub("", text))})
    for word in _words(text):
        if word in _NUMBERS or word in _DATES:
            found[_NUMBERS.get(word, word)] = 1
    return found


def _plain(number: str) -> str:
    """Write a number in one way: 1,000.50 and 1000.5 are one."""
    if _THOUSANDS.match(number):
        number = number.replace(",", "")
    number = _ZEROS.sub(r"\1", number).removesuffix(".")
    return number.lstrip("0") or "0" if number.isdigit() else number


def _numbers(old: str, new: str) -> str:
    was, now = _numbers_in(old), _numbers_in(new)
    gone, come = sorted(was - now), sorted(now - was)
    if gone and come:
        return f"the numbers differ: {', '.join(gone[:3])} became {', '.join(come[:3])}"
    if gone or come:
        return f"the numbers differ: {', '.join((gone or come)[:3])} {'is gone' if gone else 'is new'}"
    return ""


def _negations(old: str, new: str) -> str:
    was, now = (sum(map(_is_negation, _words(text))) for text in (old, new))
    return f"negations differ: {was} became {now}" if was != now else ""


def _is_negation(word: str) -> bool:
    return word in _NEGATIONS or word.endswith("n't")


def _turned(old: str, new: str) -> str:
    was, now = Counter(_words(old)), Counter(_words(new))
    gone, come = was - now, now - was
    for one, other in _OPPOSITES:
        for a, b in ((one, other), (other, one)):
            if gone[a] and come[b]:
                return f"opposites: {a} became {b}"
    return ""

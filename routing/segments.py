"""Owns how long a text is as SMS: its alphabet, how many segments that makes, where to cut it."""

from collections.abc import Iterator
from typing import Final
from unicodedata import category

GSM: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The alphabet of GSM 03.38, whose letters take seven bits."""
GSM_EXTENDED: Final = frozenset("\f^{}\\[~]|€")
"""Those that take an escape before them, so two places."""

GSM_ALONE, GSM_EACH = 160, 153
UCS2_ALONE, UCS2_EACH = 70, 67

JOINER: Final = "\u200d"
KEYCAP: Final = "\u20e3"
TONES: Final = frozenset(chr(one) for one in range(0x1F3FB, 0x1F400))
FLAGS: Final = frozenset(chr(one) for one in range(0x1F1E6, 0x1F200))

# Signs that would halve what fits although the plain ones say the same.
PLAINER: Final = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201a": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u201e": '"',
        "\u2010": "-",
        "\u2011": "-",
        "\u2013": "-",
        "\u2014": "-",
        "\u2026": "...",
        "\u00a0": " ",
        "\u2009": " ",
        "\u202f": " ",
    }
)


def is_gsm(text: str) -> bool:
    return GSM.issuperset(text) or all(char in GSM or char in GSM_EXTENDED for char in text)


def segments(text: str) -> int:
    """How many messages a text is sent, and paid, as."""
    gsm = is_gsm(text)
    alone, each = (GSM_ALONE, GSM_EACH) if gsm else (UCS2_ALONE, UCS2_EACH)
    if _total(text, gsm=gsm) <= alone:
        return 1
    count, used = 1, 0
    for size in [_size(char, gsm=gsm) for char in text]:
        if used + size > each:  # what takes two places is never parted
            count, used = count + 1, 0
        used += size
    return count


def fitted(text: str, tail: str, most: int) -> str:
    """The text, cut where it must be, and the tail, which is never cut, in at most so many segments."""
    if segments(text + tail) <= most:
        return text + tail
    gsm = is_gsm(text + tail)
    tail = ("..." if gsm else "…") + tail
    each = GSM_EACH if gsm else UCS2_EACH
    room = most * each - (most - 1) - sum(_size(char, gsm=gsm) for char in tail)
    return _beginning(text, room, gsm=gsm) + tail


def characters(text: str) -> Iterator[str]:
    """What a reader takes for one character: with its accents, as one emoji, as one flag."""
    begun = ""
    for char in text:
        if begun and not _belongs(begun, char):
            yield begun
            begun = ""
        begun += char
    if begun:
        yield begun


def _belongs(begun: str, char: str) -> bool:
    """Whether `char` goes on with the character that was begun."""
    if char in FLAGS:
        return begun in FLAGS  # two make a flag, a third begins the next one
    goes_on = char in (JOINER, KEYCAP) or char in TONES or category(char).startswith("M")
    return goes_on or begun.endswith(JOINER)


def _beginning(text: str, room: int, *, gsm: bool) -> str:
    kept: list[str] = []
    for one in characters(text):
        room -= sum(_size(char, gsm=gsm) for char in one)
        if room < 0:
            break
        kept.append(one)
    return "".join(kept).rstrip()


def _total(text: str, *, gsm: bool) -> int:
    """What all its characters take; most texts are so short that it matters of none which they are."""
    return (
        len(text) + sum(map(text.count, GSM_EXTENDED))
        if gsm
        else len(text.encode("utf-16-le", "surrogatepass")) // 2
    )


def _size(char: str, *, gsm: bool) -> int:
    if gsm:
        return 2 if char in GSM_EXTENDED else 1
    return 2 if char > "\uffff" else 1

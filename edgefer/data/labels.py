"""Expressions by name, whatever a set calls them and in whatever order it counts them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from edgefer_runtime.errors import UsageError

if TYPE_CHECKING:
    from edgefer.data.listing import Problems

EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""The seven classes in edgefer's own order; a checkpoint and a bundle carry theirs with them."""
EIGHT = (*EXPRESSIONS, "contempt")
"""The seven classes and contempt, which FERPlus, AffectNet and CK+ add."""

_WORDS: Mapping[str, str] = {
    "anger": "angry angriness angered wut wuetend wutend arger aerger argerlich aergerlich zorn colere enojo "
    "ira enfado rabbia raiva",
    "disgust": "disgusted disgusting ekel ekelig angeekelt degout asco disgusto",
    "fear": "afraid fearful fearfulness scared frightened angst angstlich aengstlich furcht peur miedo paura",
    "happiness": "happy happyness joy joyful joyous freude freudig frohlich froehlich gluck glueck glucklich "
    "gluecklich joie heureux alegria feliz felicidad felicita gioia",
    "sadness": "sad sorrow trauer traurig traurigkeit tristesse triste tristeza tristezza",
    "surprise": "surprised surprising astonished astonishment uberraschung ueberraschung uberrascht "
    "ueberrascht sorpresa surpris",
    "neutral": "neutrality neutre neutro neutrale",
    "contempt": "contemptuous scorn verachtung verachtlich veraechtlich mepris desprecio disprezzo",
}
SYNONYMS: Mapping[str, str] = {
    word: name for name in EIGHT for word in (name, f"{name}s", *_WORDS[name].split())
}
"""What pictures' folders and lists call the expressions, in :func:`plain` words -> edgefer's names."""
CODES: Mapping[str, str] = {
    **{"an": "anger", "di": "disgust", "fe": "fear", "ha": "happiness", "sa": "sadness", "su": "surprise"},
    **{"ne": "neutral", "co": "contempt", "af": "fear"},
}
"""Two letters for each, as posed sets name their pictures: suggested, and never taken for granted."""
COUNTED: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "RAF-DB": (1, ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")),
    "FER2013": (0, ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")),
    "AffectNet": (0, ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")),
}
"""How published sets count their classes: the first number, and the names from there."""
BESIDE = (
    *(
        "face",
        "faces",
        "facial",
        "expression",
        "expressions",
        "emotion",
        "emotions",
        "image",
        "images",
        "img",
    ),
    *(
        "imgs",
        "picture",
        "pictures",
        "photo",
        "photos",
        "people",
        "person",
        "class",
        "label",
        "cropped",
        "aligned",
    ),
)
"""Words beside an expression's that change nothing: "happy faces" are happy."""
SHORTEST_PREFIX = 3
"""Letters from which the beginning of an expression's name is taken for a shortened one."""


def plain(word: str) -> str:
    """A name without case, accents, digits, separators and the words of :data:`BESIDE`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", word)
    letters = unicodedata.normalize("NFKD", spaced).casefold()
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(part for part in re.split(r"[\W\d_]+", bare) if part and part not in BESIDE)


def meaning(word: str) -> str:
    """The expression that ``word`` means; empty where it means none."""
    return SYNONYMS.get(plain(word), "")


def is_number(word: str) -> bool:
    """Whether a class is called by nothing but a number."""
    return any(letter.isdecimal() for letter in word) and not plain(word)


def nearly(word: str) -> str:
    """The expression whose name ``word`` nearly is, by slips of the pen or cut short; empty for none."""
    bare = plain(word)
    if len(bare) >= SHORTEST_PREFIX:
        for name in EIGHT:
            if name.startswith(bare):
                return name
    allowed = 0 if len(bare) < 4 else 1 if len(bare) < 6 else 2
    distances = {known: _slips(bare, known) for known in SYNONYMS if abs(len(known) - len(bare)) <= allowed}
    best = min(distances, key=distances.__getitem__, default="")
    return SYNONYMS[best] if best and distances[best] <= allowed else ""


def own_classes(
    words: Collection[str],
    named: Mapping[str, str] | None = None,
    problems: Problems | None = None,
    where: Callable[[str], str] = str,
) -> dict[str, str]:
    """The classes of a user's own set: each word -> class name, the classes in order.

    A word that means an expression becomes it, so that "angry" here and "anger" in a checkpoint are one
    class, whatever the other words are. Words none of which is or nearly is an expression are classes of
    their own. What is left is noted in ``problems``: numbers, near misses, and strange words among
    expressions, unless ``named`` says what they mean.

    Args:
        words: as folders or a list have them.
        named: word -> class, as ``--classes`` says; an empty class leaves the word's faces out.
        problems: receives what has to be decided by a person.
        where: what a message calls a word: its folder or line.

    Raises:
        UsageError: ``named`` names words that are not there.
    """
    named = _fitting(words, named or {})
    meant = {word: named[word] if word in named else meaning(word) for word in words}
    open_words = sorted(word for word in words if word not in named and not meant[word])
    coded = len(open_words) > 1 and all(word.strip().lower() in CODES for word in open_words)
    others = any(meant[word] in EIGHT for word in words if word not in named)
    spelled: dict[str, str] = {}
    for word in open_words:
        meant[word] = spelled.setdefault(word.strip().casefold(), word)
        if problems is None:
            continue
        near = CODES[word.strip().lower()] if coded else nearly(word)
        if is_number(word):
            problems.refuse("class names that are numbers", where(word), _numbers(open_words))
        elif near:
            problems.refuse(
                "class names that are nearly an expression's",
                f"{where(word)}: did you mean {near}?",
                f"rename it, or say --classes {word}={near} ({word}={word} for a class of its own)",
            )
        elif others:
            problems.refuse(
                "class names that are no expressions among others that are",
                where(word),
                f"rename it, or say --classes {word}=CLASS ({word}={word} for a class of its own, {word}= to "
                "leave it out)",
            )
    rank = {name: number for number, name in enumerate(EIGHT)}
    return dict(sorted(meant.items(), key=lambda item: (rank.get(item[1], len(EIGHT)), item[1], item[0])))


def _fitting(words: Collection[str], named: Mapping[str, str]) -> dict[str, str]:
    """``named`` for the words as they are written, whose case does not matter."""
    by_word = {word.strip().casefold(): name for word, name in named.items()}
    written = {word.strip().casefold() for word in words}
    if strangers := [word for word in named if word.strip().casefold() not in written]:
        raise UsageError(
            f"--classes names {', '.join(map(repr, strangers))}, which the set does not have",
            expected=f"some of {', '.join(sorted(words))}",
            action="name its folders or labels as they are written",
        )
    return {word: by_word[key] for word in words if (key := word.strip().casefold()) in by_word}


def _numbers(words: Collection[str]) -> str:
    """What to do about numbers, with the counts of published sets that have just these."""
    alike = []
    for published, (first, names) in COUNTED.items():
        counted = {str(number): name for number, name in enumerate(names, first)}
        if {*words} <= {*counted} and str(first) in words:
            pairs = ",".join(f"{word}={name}" for word, name in counted.items() if word in words)
            alike.append(f"{pairs} where {published} counted")
    if not alike:
        alike.append(",".join(f"{word}=CLASS" for word in sorted(words)[:8]))
    return f"say what each means: --classes {', or '.join(alike)}"


def _slips(first: str, second: str) -> int:
    """Letters to insert, leave out, replace or exchange with their neighbour (optimal string alignment)."""
    before: list[int] = []
    row: list[int] = [*range(len(second) + 1)]
    for i, letter in enumerate(first, 1):
        current: list[int] = [i]
        for j, other in enumerate(second, 1):
            cost = min(row[j] + 1, current[-1] + 1, row[j - 1] + int(letter != other))
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, row = row, current
    return row[-1]

"""From text to search terms: words in lower case, lightly stemmed, and the words that mean nearly the same."""

from __future__ import annotations

import re
import unicodedata

WORD = re.compile(r"[^\W_]+")
TOP_UP = re.compile(r"\btop[ -]up")  # one word for the search: its halves say nothing


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP_WORDS = _set(
    """a about all also am an and any are as at be been both but by can could did do does doing don for from get gets got had has have
    having how i if in into is it its just know let like ll may me more most much my need no not now of on one or other our please
    re s say see shall she should show so some t tell than that the their them then there these they this those to too tried try
    up us use used using ve very want was way we were what when where whether which while who whom why will with work works would
    you your m d explain describe give happen happens make mean means thing things example long short"""
)
SMALL_TALK = _set(
    """hello hi hey hiya yo greetings good morning afternoon evening day there thanks thank you thx bye goodbye ok okay great cool nice
    who are what can do help me test testing ping introduce yourself say in one sentence word words please how your name a to is this
    assistant bot and just i be short briefly"""
)
# A sentence of small talk must hold one of these; "what can i do in a day" is a question like any other.
SMALL_TALK_HEADS = _set(
    "hello hi hey hiya yo greetings morning afternoon evening thanks thank thx bye goodbye ok okay help test testing ping yourself you cool great nice"
)

SYNONYMS = (
    "price pricing cost fee expensive cheap",
    "credit balance money fund dollar budget",
    "bill billing charge pay payment paid invoice",
    "topup payment card stripe purchase buy deposit",
    "limit quota throttle rate cap",
    "rpm request",
    "tpm token",
    "concurrent concurrency parallel simultaneous",
    "error fail failure problem status code",
    "expire expiry expiration expires",
    "revoke delete disable remove rotate leak",
    "create make generate mint new add",
    "selfhost host install deploy local run server",
    "log history inference request",
    "cancel abort disconnect break interrupt stop die crash kill",
    "stream streaming sse",
    "node javascript js typescript",
    "sdk library client package",
    "anthropic claude messages",
    "backend engine upstream provider vllm ollama sglang",
    "gguf llama",
    "preset template saved",
    "playground chat ui browser",
    "reasoning thinking effort",
    "auth authentication authorization bearer header",
    "retry wait backoff",
    "free trial",
    "mid middle",
    "refuse refusal reject deny",
    "hold reserve reservation",
)


def stem(word: str) -> str:
    """A light stem: plural, -ing, -ed, -ly and a final e are taken off, a final y becomes i; short words stay."""
    if len(word) <= 3 or not word.isalpha():
        return word
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith("sses"):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for suffix in ("ing", "ed", "ly"):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word[: -len(suffix)]
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    if len(word) <= 3 or word[-1] not in "ey":
        return word
    return word[:-1] if word[-1] == "e" else word[:-1] + "i"


def words(text: str) -> list[str]:
    """The words of a text in lower case, in order."""
    return WORD.findall(TOP_UP.sub("topup", unicodedata.normalize("NFKC", text).casefold()))


def terms(text: str) -> list[str]:
    """Search terms of a text, in order, repetitions kept."""
    return [
        term
        for word in words(text)
        if (term := stem(word)) not in STOP_WORDS and word not in STOP_WORDS and (len(term) > 1 or term > "\u2e80")
    ]


def is_small_talk(text: str) -> bool:
    """Whether a message is a greeting, a thank-you or a question about the assistant itself, and nothing else."""
    said = words(text)
    return not said or (len(said) <= 12 and SMALL_TALK.issuperset(said) and not SMALL_TALK_HEADS.isdisjoint(said))


def _related() -> dict[str, frozenset[str]]:
    related: dict[str, set[str]] = {}
    for group in SYNONYMS:
        stems = {stem(word) for word in group.split()}
        for one in stems:
            related.setdefault(one, set()).update(stems - {one})
    return {one: frozenset(others) for one, others in related.items()}


RELATED = _related()

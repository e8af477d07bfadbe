"""What secrets look like that nobody told Mato of: one expression over the formats of known tokens.

Each rule begins with a literal and, private keys aside, ends in the same line and within `LONGEST`
characters, so a stream knows what it has to hold back. A rule's name is what stands in its place.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from mato_sessions.secret_places import Places, any_of, small
from mato_sessions.secret_prefixes import PREFIXES

LONGEST = 4096
"""No match of a rule other than a private key is longer, in characters."""

_FREE = r"(?<![A-Za-z0-9_])"
_NAMES_OF = (
    *("apikey", "api_key", "api-key", "accesskey", "access_key", "access-key", "auth_key"),
    *("private_key", "signing_key", "encryption_key", "license_key", "app_key", "consumer_key"),
    *("secret", "token", "password", "passwd", "passphrase", "credential"),
)
_NAME = "(?:" + "|".join(_NAMES_OF) + ")"
_OPAQUE = r"(?=[\w+/.~-]{0,60}[0-9])(?=[\w+/.~-]{0,60}[A-Za-z])[A-Za-z0-9+/_.~-]{16,512}={0,2}"

RULES: tuple[tuple[str, str], ...] = (
    ("aws key", _FREE + r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Z0-9])"),
    ("google key", _FREE + r"AIza[\w-]{35}"),
    ("google token", _FREE + r"(?:ya29\.[\w-]{20,1000}|GOCSPX-[\w-]{28})"),
    ("github token", _FREE + r"(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{60,255})"),
    ("gitlab token", _FREE + r"gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|imt|oas)-[\w.-]{20,300}"),
    ("slack token", _FREE + r"xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-\d-[A-Za-z0-9-]{10,250}"),
    ("slack webhook", r"hooks\.slack\.com/(?:services|workflows)/[\w/+]{20,100}"),
    ("stripe key", _FREE + r"(?:[sr]k_(?:live|test|prod)_|whsec_)[A-Za-z0-9]{10,255}"),
    ("anthropic key", _FREE + r"sk-ant-[\w-]{20,255}"),
    ("openai key", _FREE + r"sk-(?:proj-|svcacct-|admin-|or-v1-)?(?=[\w-]{0,60}\d)[\w-]{20,255}"),
    ("hugging face token", _FREE + r"(?:hf_|api_org_)[A-Za-z0-9]{34}"),
    ("model key", _FREE + r"(?:gsk_|xai-|pplx-|r8_|tgp_v1_|fw_)[\w-]{22,255}"),
    ("npm token", _FREE + r"npm_[A-Za-z0-9]{36}"),
    ("package token", _FREE + r"(?:pypi-AgE[\w-]{50,1000}|rubygems_[a-f0-9]{48}|"
     r"dckr_pat_[\w-]{27})"),
    ("sendgrid key", _FREE + r"SG\.[\w-]{16,32}\.[\w-]{32,64}"),
    ("digitalocean token", _FREE + r"do[opr]_v1_[a-f0-9]{64}"),
    ("shopify token", _FREE + r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    ("vault token", _FREE + r"hv[sbr]\.[\w-]{24,300}"),
    ("terraform token", r"(?<=[A-Za-z0-9]{14})\.atlasv1\.[\w=-]{60,70}"),
    ("service token", _FREE + r"(?:dop_v1_|lin_api_|glsa_|glc_|dapi|PMAK-|NRAK-|sntrys_|sntryu_|"
     r"secret_|ntn_|figd_|EAAA|sq0[a-z]{3}-|shippo_live_|pul-|dp\.pt\.|rdme_|AGE-SECRET-KEY-1|"
     r"ATATT3|ATCTT3|CFPAT-|key-|tfp_|eyJrIjoi|phc_|phx_|fio-u-|fo1_)(?=[\w-]{0,40}\d)[\w=+/-]{27,300}"),
    ("service token", _FREE + "(?:" + "|".join(map(re.escape, PREFIXES)) + ")"
     r"(?=[\w.:$-]{0,60}\d)(?=[\w.:$-]{0,60}[A-Za-z])[\w.=+/:$~-]{18,300}"),
    ("airtable token", _FREE + r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    ("twilio key", _FREE + r"SK[a-f0-9]{32}(?![A-Za-z0-9])"),
    ("azure secret", r"(?<=[\w~.]{3}\d)Q~[\w~.-]{31,34}"),
    ("teams webhook", r"webhook\.office\.com/webhookb2/[\w@/-]{40,400}"),
    ("discord webhook", r"discord(?:app)?\.com/api/webhooks/\d{5,30}/[\w-]{30,100}"),
    ("session cookie", r"_gitlab_session=[\w-]{20,64}"),
    ("harness token", _FREE + r"[ps]at\.[\w-]{22}\.[a-f0-9]{24}\.\w{20}"),
    ("json web token", _FREE + r"eyJ[\w-]{8,600}\.eyJ[\w-]{8,700}\.[\w-]{8,700}"),
    ("telegram token", r"(?<=\d{8}):AA[\w-]{32,33}"),
    ("password in url", r"(?<=://)[^\s:/@'\"<>{}$]{0,100}:[^\s/@'\"<>{}$]{3,200}(?=@[\w.\[-])"),
    ("bearer token", r"\b[Bb]earer[ ]{1,4}" + _OPAQUE),
    ("connection key", r"(?:AccountKey|SharedAccessKey|SharedAccessSignature)=[\w+/%=]{20,200}"),
    ("secret", rf"(?i:{_NAME})[\w-]{{0,20}}[\"']?[ \t]{{0,4}}(?::|=|:=|=>)[ \t]{{0,4}}"
     rf"[\"']?{_OPAQUE}(?![(\w.\[])"),
)  # fmt: skip
"""Name and expression, the more particular first."""

_BODY = r"(?:(?!-----END)[A-Za-z0-9+/=\s\\:,.\"-])*"
HEADER = "-----BEGIN PRIVATE KEY-----"
PRIVATE_KEY = (
    rf"-----BEGIN [A-Z0-9 ]{{0,40}}PRIVATE KEY[A-Z ]{{0,8}}-----{_BODY}"
    r"(?:-----END[A-Z0-9 ]{0,50}-----)?"
)

_WORDS = tuple(
    """
    akia asia abia acca aiza ya29. gocspx- ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- glptt-
    gldt- glrt- glcbt- glft- glsoat- glagent- glimt- gloas- xoxa- xoxb- xoxe- xoxo- xoxp- xoxr-
    xoxs- xapp- hooks.slack.com sk_live_ sk_test_ sk_prod_ rk_live_ rk_test_ rk_prod_ whsec_ sk-
    hf_ api_org_ gsk_ xai- pplx- r8_ tgp_v1_ fw_ npm_ pypi- rubygems_ dckr_pat_ sg. doo_v1_
    dop_v1_ dor_v1_ shpat_ shpca_ shppa_ shpss_ hvs. hvb. hvr. .atlasv1 lin_api_ glsa_ glc_ dapi
    pmak- nrak- sntrys_ sntryu_ secret ntn_ figd_ eaaa sq0 shippo_live_ pul- dp.pt. rdme_
    age-secret-key atatt3 atctt3 cfpat- key- tfp_ phc_ phx_ fio-u- fo1_ eyj :aa :// bearer
    accountkey sharedaccess -----begin apikey api_key accesskey access_key token passwd password
    passphrase credential api-key access-key auth_key private_key signing_key encryption_key
    license_key app_key consumer_key pat sk q~ webhook.office discord _gitlab_session sat.
    """.split()  # noqa: SIM905 - a table is read more easily as words
)
_LITERALS = tuple(
    # One that begins with another is found by it.
    word
    for word in dict.fromkeys((*_WORDS, *(prefix.lower() for prefix in PREFIXES)))
    if not any(word != other and word.startswith(other) for other in _WORDS)
)
"""What every match begins with, in small letters: nowhere else is a rule tried."""

_PLACES = Places(word for word in _LITERALS if word not in ("://", "-----begin"))
_any = any_of(_LITERALS)
_PARTS = frozenset(literal[:n].encode() for literal in _LITERALS for n in range(1, len(literal)))
_LONGEST_PART = max(map(len, _PARTS))
_RULE = re.compile(
    f"(?P<r0>{PRIVATE_KEY})" + "".join(f"|(?P<r{n}>{rule})" for n, (_, rule) in enumerate(RULES, 1))
)
_NAMES = ("private key", *(name for name, _ in RULES))
_SPACED = re.compile(
    rf"(?:(?i:{_NAME}|bearer)\S{{0,26}}[ \t]{{0,4}}\S{{0,4}}[ \t]{{0,4}}\S*"
    r"|-----BEGIN[A-Z0-9 ]{0,60}-{0,5})\Z"
)
_may_be_spaced = any_of((*_NAMES_OF, "bearer", "-----begin"))
_SPACE = 64
"""Between the start of `_SPACED` and the last word are fewer characters."""
_HEADER = 80
"""The opening line of a private key is shorter."""
_CLOSING = re.compile(r"(?:-----END[A-Z0-9 ]{0,50}-{0,4})?\Z")
_CLOSED = re.compile(r"-----END[A-Z0-9 ]{0,50}-----\Z")
_VALUE = re.compile(r"[A-Za-z0-9+/_.~-]{16,512}={0,2}\Z")
_DIGIT = re.compile("[0-9]")
_PLAIN = frozenset({"private key", "password in url", "aws key", "slack webhook"})
"""Kinds that may have no digit; of the others none is taken for a secret without one."""
_BITS = 3.2
"""Entropy per character from which an assigned value is taken for a secret."""


def matches(text: str, start: int = 0) -> Iterator[tuple[int, int, str]]:
    """Start, end and kind of each secret from `start` on, ascending; what is before is context."""
    places = _PLACES.find(text, start)
    return among(text, places, start) if places else iter(())


def among(text: str, places: Iterable[int], start: int) -> Iterator[tuple[int, int, str]]:
    """Of `matches` those that begin at one of `places`, which ascend."""
    for at in places:
        if at < start or not (match := _RULE.match(text, at)):
            continue
        kind = _NAMES[int((match.lastgroup or "r0")[1:])]
        begin, end = match.span()
        if kind not in _PLAIN and not _DIGIT.search(text, begin, end):
            continue
        if kind == "secret":
            value = _VALUE.search(match.group())
            if value is None or _entropy(value.group()) < _BITS:
                continue
            begin += value.start()
        start = end
        yield begin, end, kind


def is_open(text: str, end: int) -> bool:
    """Whether a private key that was matched up to `end` may go on after `text`."""
    return not _CLOSED.search(text, 0, end) and _CLOSING.match(text, end) is not None


def undecided(text: str, start: int) -> int:
    """Where an end of `text` starts that more text may turn into a secret; its length if none."""
    start = max(start, len(text) - LONGEST)
    word = len(text)
    while word > start and not text[word - 1].isspace():
        word -= 1
    first = _any(small(text[word:]))
    cut = word + first.start() if first else len(text)
    tail = small(text[start:][-_LONGEST_PART:])
    for at in range(len(tail)):
        if tail[at:] in _PARTS:
            cut = min(cut, len(text) - len(tail) + at)
            break
    spaced = max(start, min(word, len(text) - _HEADER) - _SPACE)
    if _may_be_spaced(small(text[spaced:])) and (found := _SPACED.search(text, spaced)):
        return min(cut, found.start())
    return cut


def _entropy(value: str) -> float:
    total = len(value)
    return -sum(n / total * math.log2(n / total) for n in Counter(value).values())

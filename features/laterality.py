"""Left, right, both: the side a note names, told apart from "left the clinic", "right now", "R/O" and "L4-5"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from features.numbers import lowered
from features.types import Laterality


@dataclass(frozen=True, slots=True)
class SideMention:
    """``text[start:end]`` names a side; ``of`` is ``eye`` for OD, OS and OU, which mean nothing else."""

    start: int
    end: int
    side: Laterality
    of: Literal["general", "eye"] = "general"


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_SITES = (
    "knee leg hip ankle foot heel toe thigh calf shin groin buttock gluteal shoulder arm elbow forearm wrist"
    " hand finger thumb limb extremity side sided flank breast chest lung ear eye eyelid lid cheek jaw face"
    " neck temple lobe lobes kidney ovary testicle hemisphere ventricle atrium atrial ventricular bundle"
    " coronary carotid femoral iliac tibial popliteal subclavian renal upper lower mid lateral medial anterior"
    " posterior inferior superior frontal parietal temporal occipital maxillary ulnar radial sciatica lumbar"
    " cervical thoracic paracentral foraminal paraspinal sacroiliac si sij l4 l5 s1 c5 c6 c7 radicular"
    " radiculopathy quad quads quadriceps hamstring patella patellar acl pcl mcl meniscus meniscal tka tha"
    " rotator cuff biceps triceps deltoid lens cataract retina cornea macula optic pupil nostril tonsil nasal"
    " basal base lower-extremity upper-extremity le ue lle lue rle rue lower-back low ehl slr transforaminal"
    " tfesi knee-pain palm axilla scapula clavicle rib ribs pelvis inguinal hemithorax adnexa hernia foramen"
    " nerve pleural ureteral ureter foramina neural"
)


@cache
def _sites() -> frozenset[str]:
    singular = _words(_SITES)
    return frozenset(singular | {site + "s" for site in singular if not site.endswith("s")} | {"feet", "calves"})


_PAIRED = (
    "knees legs hips ankles feet heels thighs calves shins groins buttocks shoulders arms elbows wrists hands"
    " breasts lungs ears eyes eyelids lids sides extremities limbs kidneys le ue les ues lower upper temples"
    " bases ovaries testes maculae discs thumbs flanks tonsils toes cheeks lobes hemispheres nostrils carotids"
    " femurs tibias corneas lenses retinas foramina ureters orifices"
)


@cache
def _paired() -> frozenset[str]:
    return _words(_PAIRED)


# After "right" or "left": another meaning of the word.
_NOT_AFTER_RIGHT = _words(
    "now away after before then there here about through along handed hand-dominant dose medication thing time"
    " way size amount diagnosis decision direction person place track answer next of to up down and/or at on in"
    " into under over below above"
)
_NOT_AFTER_LEFT = _words(
    "the a an ama against her his him me them my our their your us home work school town without alone over"
    " off out behind message voicemail before after early untreated undone unattended handed hand-dominant and"
    " went to for in this that these those prior unsigned open blank"
)
_NOT_BEFORE_LEFT = _words(
    "he she they patient pt i we who has had have having husband wife mother father daughter son boyfriend"
    " girlfriend what only pills refills tablets days doses much nothing anything everything"
)
_NOT_BEFORE_RIGHT = _words(
    "all that's thats it's quite feel feels felt patient's have has be it not doing just if legal human"
    " whatever alright"
)
_NO_B_BEFORE = _words(
    "vitamin hepatitis hep type group grade stage part class plan influenza flu component streptococcus"
)


@cache
def _pattern() -> re.Pattern[str]:
    return re.compile(
        r"[lrbo](?<![a-z0-9'].)(?:(?<=l)(?:eft(?:ward)?|t\.?)?|(?<=r)(?:ight(?:ward)?|t\.?)?"
        r"|(?<=b)(?:ilat(?:eral(?:ly)?)?\.?|oth|/l|il\b)?|(?<=o)[dsu])(?![a-z0-9'’])"
    )


@cache
def _next_pattern() -> re.Pattern[str]:
    return re.compile(r"(?P<gap>\)?[\s/-]{0,3})(?P<word>[A-Za-z][A-Za-z'-]*)?")


@cache
def _previous_pattern() -> re.Pattern[str]:
    # For text turned round, so that it is anchored at the end that is near: the gap, then the word.
    return re.compile(r"(?P<gap>[^A-Za-z0-9]{0,4}?)(?P<word>['’]*[A-Za-z][A-Za-z'’]*|\d+)|[^A-Za-z0-9]{0,4}")


@cache
def _eye_context_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:eyes?|eyelids?|lids?|vision|visual|acuity|va(?:cc|sc)?|bcva|mrx|iop|retina\w*|macula\w*"
        r"|cornea\w*|lens|cataracts?|glaucoma"
        r"|ophthalm\w*|optometr\w*|slit|dilated|fundus|dfe|sle|iol|oct|bleph\w*|lashes|pupils?|blurr\w*|foggy"
        r"|refraction|eyedrops?|intravitreal)(?![a-z])|20/\d\d"
    )


def find_laterality(text: str, lo: int = 0, hi: int | None = None) -> list[SideMention]:
    """The sides named in ``text[lo:hi]``, in order; offsets are into ``text``.

    Single letters count only beside a part of the body or in brackets ("L knee", "(R)", "R>L"); OD, OS and OU only in
    capitals with words about eyes or vision within 160 characters.
    """
    lower = lowered(text)
    return _find(lower, text, lo, len(text) if hi is None else hi)


def _find(lower: str, text: str, lo: int, hi: int) -> list[SideMention]:
    found: list[SideMention] = []
    for match in _pattern().finditer(lower, lo, hi):
        start, end = match.span()
        word = match.group()
        mention: SideMention | None
        if len(word) == 1:
            mention = _letter(text, start, end, lo, hi)
        elif word[0] == "o":
            if word == "on" or word == "oth":
                continue
            mention = _eye(lower, text, start, end, lo, hi)
        else:
            mention = _word(lower, text, start, end, word, lo, hi)
        if mention is not None:
            found.append(mention)
    return found


def _neighbours(text: str, start: int, end: int, lo: int, hi: int) -> tuple[str, str, str, str]:
    """The word before with the gap after it, the gap to the next word, and the next word; empty where there is none."""
    turned = text[max(lo, start - 20) : start][::-1]
    before: re.Match[str] = _previous_pattern().match(turned)  # type: ignore[assignment]  # it matches nothing as well
    stop = min(hi, end + 24)
    after: re.Match[str] = _next_pattern().match(text, end, stop)  # type: ignore[assignment]  # and so does this
    word = before["word"] or ""
    gap = before.group()[: -len(word)] if word else before.group()
    return word[::-1], gap[::-1], after["gap"], after["word"] or ""


def _is_site(word: str) -> bool:
    word = word.lower()
    return word in _sites() or word.split("-")[0] in _sites()


def _word(lower: str, text: str, start: int, end: int, word: str, lo: int, hi: int) -> SideMention | None:
    if word.startswith("b"):
        if word == "both":
            return _both(text, start, end, hi)
        return SideMention(start, end, "bilateral")
    previous, gap, space, following = _neighbours(text, start, end, lo, hi)
    previous, following = previous.lower(), following.lower()
    if word[1] == "t":
        # "Rt knee", "RT", "-RT"; "RT" alone is also a therapist or radiotherapy.
        sided = (
            _is_site(following)
            or gap.endswith(("-", "("))
            or (previous in _sites() and word.rstrip(".") in ("rt", "lt"))
        )
        if not sided:
            return None
        return SideMention(start, end if _is_site(following) else start + 2, "left" if word[0] == "l" else "right")
    site_follows = _is_site(following) and "\n\n" not in space
    if following in ("handed", "hander", "handedness") or (following.startswith("hand") and _dominance(lower, end, hi)):
        return None
    if following.startswith(("hand", "arm", "side")) and _AID_HELD.search(lower, max(lo, start - 40), start):
        # The hand that holds the cane is not where it hurts.
        return None
    article = previous in ("the", "on", "his", "her", "my", "their") or gap.strip().endswith(("(", "[", ":", ","))
    if word.startswith("right"):
        if not site_follows and (
            (
                following in _NOT_AFTER_RIGHT
                and not (previous in ("on", "the") and following not in ("thing", "time", "way", "now", "away"))
            )
            or (previous in _NOT_BEFORE_RIGHT and gap == " ")
        ):
            return None
        return SideMention(start, end, "right")
    if (
        not site_follows
        and not article
        and (following in _NOT_AFTER_LEFT or (previous in _NOT_BEFORE_LEFT and gap == " "))
    ):
        return None
    if not site_follows and previous in ("is", "was", "are", "were", "be", "been") and gap == " ":
        return None
    return SideMention(start, end, "left")


_AID_HELD = re.compile(
    r"\b(?:cane|crutch|crutches|stick|walker|rollator)\s(?:held\s|used\s)?(?:in|on|with)\s(?:(?:the|his|her)\s)?$"
)


def _dominance(lower: str, end: int, hi: int) -> bool:
    return lower.startswith(("dominan", "domin."), end + 6, hi) or "dominan" in lower[end : min(hi, end + 16)]


def _both(text: str, start: int, end: int, hi: int) -> SideMention | None:
    words = re.findall(r"[a-z]+", text[end : min(hi, end + 32)].lower())[:3]
    if words and (
        (words[0] in _paired() and words[0] not in ("upper", "lower"))
        or (any(word in _paired() for word in words[1:]) and words[0] in _BOTH_GAP)
    ):
        return SideMention(start, end, "bilateral")
    return None


_BOTH_GAP = _words(
    "of the her his their neural ureteral upper lower my anterior posterior lateral medial great big proximal distal"
)


def _letter(text: str, start: int, end: int, lo: int, hi: int) -> SideMention | None:
    """A single capital letter: "L knee", "(R)", "R>L", "pos L at 35 deg", "R and L upper lid", "B knees"."""
    letter = text[start]
    if not letter.isupper() or letter == "O":
        return None
    around = text[max(lo, start - 1) : min(hi, end + 1)]
    if around == f"({letter})" and letter != "B":
        return SideMention(start, end, "left" if letter == "L" else "right")
    previous, gap, space, following = _neighbours(text, start, end, lo, hi)
    if letter == "B":
        if following.lower() in _paired() and space == " " and previous.lower() not in _NO_B_BEFORE:
            return SideMention(start, end, "bilateral")
        return None
    side: Laterality = "left" if letter == "L" else "right"
    if previous.isdigit() and gap.strip() == "":
        return None
    if previous.lower() in ("dr", "mr", "mrs", "ms") or text.startswith("&", end) or gap.endswith("&"):
        return None
    if space.startswith(("/", "-")) or (
        text.startswith((".", "'", "’"), end) and not text[end + 1 : end + 2].isspace() and end + 1 < hi
    ):
        # "R/O", "R-spine", "R.N." are not sides; "L/R", "R/L", "L-sided" and "L-knee" are.
        if following.upper() in ("L", "R", "LE", "UE") or _is_site(following) or following.lower().startswith("sided"):
            return SideMention(start, end, side)
        return None
    if text[end : end + 3].replace(" ", "")[:2] in ("=L", "=R"):
        return SideMention(start, end, "bilateral")  # "R=L": alike on both sides
    if text.startswith((">", "<", "=", " >", " <"), end) or gap.strip().endswith((">", "<", "=")):
        return SideMention(start, end, side)
    if space == " " and _spinal_level_pattern().match(text, end + 1):
        return SideMention(start, end, side)
    if following and space.strip() == "" and space:
        lowered_word = following.lower()
        if _is_site(lowered_word):
            return (
                SideMention(start, end, side)
                if not lowered_word.startswith("hand") or "domin" not in text[end : end + 16].lower()
                else None
            )
        if (
            len(following) > 1
            and following.islower()
            and (previous.lower() in _LETTER_BEFORE or following in _LETTER_AFTER or _site_near(text, end, hi))
        ):
            return SideMention(start, end, side)
        if len(following) > 1 and following.isupper() and _site_near(text, end, hi):
            return SideMention(start, end, side)
        return None
    if (previous.lower() in _LETTER_BEFORE and gap == " ") or (
        previous.lower() in _sites() and gap == " " and not text[end : end + 2].strip().isdigit()
    ):
        return SideMention(start, end, side)
    return None


@cache
def _spinal_level_pattern() -> re.Pattern[str]:
    return re.compile(r"(?:[CL][1-8]|S[1-5]|T\d{1,2})(?![A-Za-z])")


_LETTER_BEFORE = _words("on the to of pos positive neg negative in deg degrees from both and lists lateral")
_LETTER_AFTER = _words("and or at in with w more worse greater than pain weakness numbness sciatica")


def _site_near(text: str, end: int, hi: int) -> bool:
    """A part of the body among the next three words of the same clause."""
    words = re.findall(r"[A-Za-z]+|[,.;:\n]", text[end : min(hi, end + 40)])[:3]
    for word in words:
        if not word[0].isalpha():
            return False
        if _is_site(word):
            return True
    return False


_EYES: dict[str, Laterality] = {"OD": "right", "OS": "left", "OU": "bilateral"}


def _eye(lower: str, text: str, start: int, end: int, lo: int, hi: int) -> SideMention | None:
    side = _EYES.get(text[start:end])
    if side is None or _eye_context_pattern().search(lower, max(lo, start - 160), min(hi, end + 160)) is None:
        return None
    return SideMention(start, end, side, "eye")


@cache
def _clause_pattern() -> re.Pattern[str]:
    return re.compile(
        r"[;\n]|\.\s|,? (?:but|while|whereas|however|although|though|versus|vs\.?|then)\s"
        r"|, (?:and )?(?=(?:the )?(?:left|right|l|r)\s)"
    )


@cache
def _direct_gap_pattern() -> re.Pattern[str]:
    return re.compile(r"(?:\s|-)(?:[a-z]+[\s-]){0,3}|\s?\(")


def side_of(text: str, start: int, end: int, sentence_start: int, sentence_end: int) -> Laterality | None:
    """The side of the finding at ``text[start:end]``, looked for in its sentence; None where none is named.

    In this order: a side inside the finding ("left knee pain"); one directly before or after it ("left knee effusion",
    "pain in the right hip"), before winning over after; the one side its clause names; of several in the clause, the
    nearest before it, else the nearest after it; the side before its clause when the sentence names that side only. Two
    different sides inside the finding, or "right and left", are ``bilateral``.
    """
    return side_among(
        find_laterality(text, sentence_start, sentence_end), text, start, end, sentence_start, sentence_end
    )


_BEFORE_A_LAST_SIDE = re.compile(r"[^,;:.]{0,30}[,(]\s*(?:of |on |in )?(?:the )?", re.IGNORECASE)
_AFTER_A_LAST_SIDE = re.compile(r"(?: [a-z]{2,12})?\s*\)?\.?\s*", re.IGNORECASE)


def side_among(
    mentions: Sequence[SideMention], text: str, start: int, end: int, sentence_start: int, sentence_end: int
) -> Laterality | None:
    """Like :func:`side_of`, with the document's mentions already found (those outside the sentence are passed over)."""
    mentions = [mention for mention in mentions if sentence_start <= mention.start and mention.end <= sentence_end]
    if not mentions:
        return None
    inside = [mention for mention in mentions if start <= mention.start and mention.end <= end]
    if inside:
        return _together(inside)
    lower = lowered(text[sentence_start:sentence_end])
    before = [mention for mention in mentions if mention.end <= start]
    after = [mention for mention in mentions if mention.start >= end]
    if before and _direct_gap_pattern().fullmatch(lower, before[-1].end - sentence_start, start - sentence_start):
        return _coordinated(lower, sentence_start, before, len(before) - 1)
    if after and _direct_gap_pattern().fullmatch(lower, end - sentence_start, after[0].start - sentence_start):
        return _coordinated(lower, sentence_start, after, 0)
    low, high = _clause(lower, start - sentence_start, end - sentence_start)
    low, high = low + sentence_start, high + sentence_start
    near_before = [mention for mention in before if mention.start >= low]
    near_after = [mention for mention in after if mention.end <= high]
    if near_before or near_after:
        sides = {mention.side for mention in (*near_before, *near_after)}
        if len(sides) == 1:
            return sides.pop()
        return near_before[-1].side if near_before else near_after[0].side
    if len({mention.side for mention in mentions}) > 1:
        return None
    if before:
        return before[-1].side
    return after[0].side if after and _named_last(text, end, after[0], sentence_end) else None


def _named_last(text: str, end: int, mention: SideMention, sentence_end: int) -> bool:
    """Whether the side closes the sentence that began with the finding: "McMurray positive, right knee."."""
    leads = _BEFORE_A_LAST_SIDE.fullmatch(text, end, mention.start)
    return leads is not None and _AFTER_A_LAST_SIDE.fullmatch(text, mention.end, sentence_end) is not None


def _together(mentions: Sequence[SideMention]) -> Laterality:
    sides = {mention.side for mention in mentions}
    return sides.pop() if len(sides) == 1 else "bilateral"


def _coordinated(lower: str, offset: int, mentions: Sequence[SideMention], index: int) -> Laterality:
    """ "right and left knee": both, else the side of ``mentions[index]``."""
    mention = mentions[index]
    for other in mentions[max(index - 1, 0) : index + 2]:
        first, second = sorted((mention, other), key=lambda one: one.start)
        gap = lower[first.end - offset : second.start - offset].strip(" \n-.()")
        if first is not second and first.side != second.side and gap in ("and", "&", "and the", "and/or", "/"):
            return "bilateral"
    return mention.side


def _clause(lower: str, start: int, end: int) -> tuple[int, int]:
    """The clause around ``lower[start:end]``."""
    low, high = 0, len(lower)
    for match in _clause_pattern().finditer(lower):
        if match.end() <= start:
            low = match.end()
        elif match.start() >= end:
            high = match.start()
            break
    return low, high

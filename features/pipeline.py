"""The reader of notes as a medspaCy pipeline, for people who know medspaCy: look at ``doc.spans``, add a rule, visualise.

::

    nlp = build_pipeline()
    doc = nlp("Denies saddle anesthesia. Completed 8 weeks of PT.")
    [(span.text, span.label_, span._.is_negated) for span in doc.spans["medspacy_spans"]]
    nlp.get_pipe("greenlane_concepts").add([TargetRule("lumbosacral orthosis", "treatment")])

The components call the very parts that :func:`features.extract` calls, and a test holds both to the same answers. Reading
for triage does not go through here: it needs no spaCy ``Doc``, and building one costs as much as reading the note
(docs/decisions/0001). Components are registered under versioned names and take medspaCy's own rule classes.

medspaCy keys ``span._.is_negated`` and the like by a span's offsets: two concepts at the same place share them. The exact
assertion of every span, with its cues, stands in ``doc.user_data["greenlane.assertions"]`` in the order of the span group.
"""

# spaCy reads the annotations of component factories, so they must not be strings: no annotations from __future__ here.
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

with warnings.catch_warnings():
    # Importing medspaCy silences every warning of the process; leaving this block undoes that.
    import medspacy  # noqa: F401  # registers the span extensions
    import spacy
from loguru import logger as loguru_logger
from spacy.language import Language
from spacy.tokens import Doc, Span

from features.assertion import AssertionEngine, Target
from features.concepts import ConceptMatcher, Mention
from features.cues import cue_from_context_rule
from features.lexicon import CATEGORIES, Concept, Term, load_lexicon, parse_term
from features.sections import find_sections
from features.sentences import split_sentences
from features.tokens import Tokens, tokenize
from features.types import Assertion

if TYPE_CHECKING:
    from medspacy.context import ConTextRule
    from medspacy.target_matcher import TargetRule

SPANS = "medspacy_spans"
CUES = "greenlane_cues"
SECTIONS = "greenlane_sections"
_TOKENS = "greenlane.tokens"
_MENTIONS = "greenlane.mentions"
ASSERTIONS = "greenlane.assertions"
_ATTRIBUTES = {
    "negated": "is_negated",
    "uncertain": "is_uncertain",
    "historical": "is_historical",
    "hypothetical": "is_hypothetical",
    "family": "is_family",
}


class GreenlaneTokenizer:
    """Splits as :func:`features.tokens.tokenize` does; white space beyond one blank is a token of its own, so that
    ``doc.text`` equals the note to the character."""

    def __init__(self, vocab: Any) -> None:
        self.vocab = vocab

    def __call__(self, text: str) -> Doc:
        tokens = tokenize(text)
        words: list[str] = []
        spaces: list[bool] = []
        position = 0
        for start, end in zip(tokens.starts, tokens.ends, strict=True):
            self._gap(text[position:start], words, spaces)
            words.append(text[start:end])
            spaces.append(False)
            position = end
        self._gap(text[position:], words, spaces)
        doc = Doc(self.vocab, words=words, spaces=spaces)
        doc.user_data[_TOKENS] = tokens
        return doc

    @staticmethod
    def _gap(gap: str, words: list[str], spaces: list[bool]) -> None:
        if not gap:
            return
        if gap[0] == " " and words and not spaces[-1]:
            spaces[-1] = True
            gap = gap[1:]
        if gap:
            words.append(gap)
            spaces.append(False)


class SentencesComponent:
    """Marks where sentences begin."""

    def __call__(self, doc: Doc) -> Doc:
        starts = {start for start, _ in split_sentences(doc.text)}
        for token in doc:
            token.is_sent_start = token.i == 0 or token.idx in starts
        return doc


class SectionsComponent:
    """Writes sections to ``doc.spans["greenlane_sections"]``, labelled with their names."""

    def __call__(self, doc: Doc) -> Doc:
        spans = (
            doc.char_span(section.heading_start, section.end, label=section.name, alignment_mode="expand")
            for section in find_sections(_tokens(doc))
        )
        doc.spans[SECTIONS] = [span for span in spans if span is not None]
        return doc


class ConceptsComponent:
    """Writes mentions of concepts to ``doc.spans["medspacy_spans"]``, labelled with their concept."""

    def __init__(self, matcher: ConceptMatcher) -> None:
        self._matcher = matcher

    def add(self, rules: "Iterable[TargetRule]") -> None:
        """Also look for these rules' literals. A rule's category is a category of the lexicon (or else ``problem``)."""
        for rule in rules:
            category = rule.category.lower()
            self._matcher.add(
                Concept(
                    concept_id=rule.literal.lower().replace(" ", "_"),
                    name=rule.literal,
                    category=category if category in CATEGORIES else "problem",
                    terms=(Term(rule.literal, parse_term(rule.literal, "rule")),),
                    codes={},
                )
            )

    def process(self, doc: Doc) -> list[Mention]:
        """The mentions, nothing written."""
        return self._matcher.mentions(_tokens(doc), split_sentences(doc.text))

    def __call__(self, doc: Doc) -> Doc:
        mentions = self.process(doc)
        spans = [doc.char_span(m.start, m.end, label=m.concept.concept_id, alignment_mode="expand") for m in mentions]
        doc.spans[SPANS] = [span for span in spans if span is not None]
        doc.user_data[_MENTIONS] = mentions
        return doc


class ContextComponent:
    """Sets medspaCy's assertion attributes on the mentions and writes the cues to ``doc.spans["greenlane_cues"]``."""

    def __init__(self, engine: AssertionEngine) -> None:
        self._engine = engine

    def add(self, rules: "Iterable[ConTextRule]") -> None:
        """Also use these cues. Raises ValueError for a category that is not one of the five flags."""
        self._engine = AssertionEngine((*self._engine.rules, *map(cue_from_context_rule, rules)), self._engine.sections)

    def process(self, doc: Doc) -> list[Assertion]:
        """The assertion of each mention, in order, nothing written."""
        mentions: list[Mention] = doc.user_data[_MENTIONS]
        tokens = _tokens(doc)
        targets = [Target(m.start, m.end, m.concept.category, m.concept.ignore) for m in mentions]
        return self._engine.assess_targets(tokens, split_sentences(doc.text), find_sections(tokens), targets)

    def __call__(self, doc: Doc) -> Doc:
        assertions = self.process(doc)
        cues: list[Span] = []
        for span, assertion in zip(doc.spans[SPANS], assertions, strict=True):
            for flag, attribute in _ATTRIBUTES.items():
                span._.set(attribute, getattr(assertion, flag))
            marked = (doc.char_span(c.start, c.end, label=c.flag, alignment_mode="expand") for c in assertion.cues)
            cues += [cue for cue in marked if cue is not None]
        doc.spans[CUES] = cues
        doc.user_data[ASSERTIONS] = assertions
        return doc


def _tokens(doc: Doc) -> Tokens:
    tokens = doc.user_data.get(_TOKENS)
    return tokens if tokens is not None else tokenize(doc.text)


@Language.factory("greenlane_sentences_v1")
def _sentences(nlp: Language, name: str) -> SentencesComponent:
    return SentencesComponent()


@Language.factory("greenlane_sections_v1")
def _sections(nlp: Language, name: str) -> SectionsComponent:
    return SectionsComponent()


@Language.factory("greenlane_concepts_v1", default_config={"lexicon": None})
def _concepts(nlp: Language, name: str, lexicon: str | None) -> ConceptsComponent:
    return ConceptsComponent(ConceptMatcher(load_lexicon(Path(lexicon) if lexicon else None)))


@Language.factory("greenlane_context_v1", default_config={"cues": None})
def _context(nlp: Language, name: str, cues: str | None) -> ContextComponent:
    return ContextComponent(AssertionEngine.from_lexicon(Path(cues) if cues else None))


def build_pipeline(lexicon: Path | None = None, cues: Path | None = None) -> Language:
    """A spaCy ``Language`` with greenlane's components; a folder of concept files and a cue file other than the packaged
    ones may be named. Raises LexiconError where one is broken.

    Importing this module takes seconds, because medspaCy does; nothing that triages a request imports it.
    """
    loguru_logger.disable("PyRuSH")
    nlp = spacy.blank("en")
    nlp.tokenizer = GreenlaneTokenizer(nlp.vocab)
    nlp.add_pipe("greenlane_sentences_v1", name="greenlane_sentences")
    nlp.add_pipe("greenlane_sections_v1", name="greenlane_sections")
    nlp.add_pipe(
        "greenlane_concepts_v1", name="greenlane_concepts", config={"lexicon": str(lexicon) if lexicon else None}
    )
    nlp.add_pipe("greenlane_context_v1", name="greenlane_context", config={"cues": str(cues) if cues else None})
    return nlp

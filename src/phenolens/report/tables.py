"""The evidence as tables, for the page and for the card in Markdown: each class of records has one specification."""

from phenolens.core.numbers import (
    count,
    difference_within,
    number,
    p_words,
    percent,
    share_within,
)
from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.records import (
    Activity,
    AfterIntervention,
    BaselineDifference,
    BestBaseline,
    BiologyBesideNuisance,
    ConceptDifference,
    ConceptScore,
    EmbeddingShape,
    EncoderDifference,
    ExplainedVariance,
    FactorScore,
    LayerChoice,
    LessDataScore,
    MetricRange,
    NoBaseline,
    NuisanceReadout,
    ProfilingDifference,
    RankGroup,
    Record,
    SimilarityStructure,
    SplitLeak,
    StratumGain,
    WithoutShortcut,
)
from phenolens.evaluation import Estimate
from phenolens.report.layout import ENCODER, Column, Crossed, Rows, Table, default_layout
from phenolens.report.text import task_phrase

IN_FILES_ONLY = (BaselineDifference, FactorScore, ProfilingDifference, RankGroup)
"""Too many for a table; differences have their matrices, and what post-processing changes has a verdict."""
SAID_BY_VERDICTS = (
    SplitLeak,
    EncoderDifference,
    NoBaseline,
    BestBaseline,
    Activity,
    NuisanceReadout,
)
"""Each has a verdict that says all of it."""


def tables(evidence: Evidence) -> dict[str, list[Table]]:
    """Return the tables of each section of the page; records of a class without a specification stand in ``further``.

    Parameters
    ----------
    evidence
        All records.
    """
    found: dict[str, list[Table]] = {section: [] for section in SECTIONS}
    known: set[type[Record]] = {*IN_FILES_ONLY, *SAID_BY_VERDICTS}
    for layout in LAYOUTS:
        known.add(layout.record)
        if records := evidence.of(layout.record):
            found[layout.section].append(layout.table(records))
    for records in evidence.tables().values():
        if type(records[0]) not in known:
            found["further"].append(default_layout(type(records[0])).table(records))
    return found


def _question(task: str, profiling: str) -> str:
    return f"{task_phrase(task)}, {profiling}"


def _named(name: str, value: float) -> str:
    return f"{name} {number(value, 2)}"


def _with_reason(value: float, reason: str) -> str:
    return f"{number(value, 2)} ({reason})"


def _difference(estimate: Estimate) -> str:
    return difference_within(estimate.value, estimate.low, estimate.high)


def _share(estimate: Estimate) -> str:
    return share_within(estimate.value, estimate.low, estimate.high)


def _adjusted_p(estimate: Estimate) -> str:
    return p_words(estimate.p_adjusted)


def _units(estimate: Estimate) -> str:
    return count(estimate.n_units)


def _small(value: float) -> str:
    return number(value, 3)


def _one_decimal(value: float) -> str:
    return number(value, 1)


def _of(part: float, whole: int) -> str:
    return f"{number(part, 0 if isinstance(part, int) else 1)} of {count(whole)}"


def _adjustment(shortcut: str, way: str, fit: str) -> str:
    return f"{shortcut}, {way}" + (" (fitted on all wells)" if fit == "all" else "")


def _concept(r: float, factor: str, gain: Estimate) -> str:
    best = f"{number(r, 2)} {factor}"
    return f"{best}, {_difference(gain)} over untrained" if gain.value == gain.value else best


def _oddities(duplicates: int, zero: int, dead: int, not_finite: int) -> str:
    said = []
    if duplicates:
        said.append(count(duplicates, "repeated row"))
    if zero:
        said.append(count(zero, "zero row"))
    if dead:
        said.append(count(dead, "constant feature"))
    if not_finite:
        said.append(count(not_finite, "row with NaN", "rows with NaN"))
    return ", ".join(said) or "none"


QUESTION = Column("question", ("task", "profiling"), _question)
CHANCE = Column("chance", ("chance",))
SCORE = Column("score", ("estimate",))
UNITS = Column("units", ("estimate",), _units)
ADJUSTED_P = Column("adjusted p", ("estimate",), _adjusted_p)

SECTIONS = {
    "beats": "Does it beat simple things?",
    "relies": "What does it rely on?",
    "encodes": "What does it encode?",
    "biology": "Biology or batch?",
    "data": "Can this data set tell?",
    "further": "Further evidence",
}
"""The sections of the page that hold tables: each is the answer to a question."""
NAVIGATION = {
    "beats": "Simple things",
    "relies": "Shortcuts",
    "encodes": "Concepts",
    "biology": "Batch",
    "data": "Data",
    "further": "Further",
}
"""The same for the bar at the top."""

LAYOUTS: tuple[Rows | Crossed, ...] = (
    Rows(
        MetricRange,
        "data",
        "Range and resolution of the metrics",
        "Headroom: the share of the range from chance to the ceiling that the best baseline leaves. The best encoder "
        "is compared with degraded copies of itself, in which part of the variance comes from other wells. Detected "
        "loss: the smallest part whose loss lowers the score. Sensitivity: the probability that the better of two "
        "copies scores higher. Rank stability: Kendall's tau with the rankings of other protocols.",
        (
            QUESTION,
            CHANCE,
            Column("ceiling", ("ceiling", "ceiling_is"), _with_reason),
            Column("best baseline", ("best_baseline", "best_baseline_value"), _named),
            Column("headroom", ("headroom",), percent),
            Column("detected loss", ("finest",), percent),
            Column("sensitivity", ("sensitivity",), percent),
            Column("rank stability", ("stability",)),
            Column("resolution", ("grade",)),
        ),
    ),
    Rows(
        BiologyBesideNuisance,
        "biology",
        "Biology and nuisance among neighbours",
        "Mean average precision of retrieving rows of the same biology, and of the same nuisance. Robustness: of the "
        "neighbours that share one of the two only, the share that shares biology; beside it, that of random "
        "neighbours. Mixing: the effective number of nuisances among neighbours, as a share of the most there can be. "
        "kBET: the share of rows whose neighbours have the nuisances of all rows. BRAS: the mixing of nuisances within "
        "the same biology.",
        (
            ENCODER,
            Column("profiling", ("profiling",)),
            Column("biology", ("biology",)),
            Column("nuisance", ("nuisance",)),
            Column("biology score", ("biology_score",)),
            Column("nuisance score", ("nuisance_score",)),
            Column("robustness", ("robustness",), _share),
            Column("at random", ("robustness_chance",), percent),
            Column("mixing", ("mixing",), percent),
            Column("kBET", ("accepted",), percent),
            Column("BRAS", ("batch_silhouette",)),
            Column("caveat", ("caveat",)),
        ),
    ),
    Crossed(
        ConceptScore,
        "encodes",
        "Concepts",
        "The partial correlation r of what is predicted of unseen wells with each concept's best factor, beyond batch, "
        "treatment and all other concepts. Encoded concepts stand out. Factors are the truth of a simulation; where "
        "there is none, baselines measured them.",
        Column("", ("concept",)),
        Column("", ("best_r", "best_factor", "gain"), _concept),
        ("encoding", "encoded"),
    ),
    Rows(
        ConceptDifference,
        "encodes",
        "Differences in concepts",
        "The mean correlation over a concept's factors, of two encoders under test.",
        (
            Column("concept", ("concept",)),
            ENCODER,
            Column("compared with", ("other",)),
            Column("difference", ("estimate",), _difference),
            ADJUSTED_P,
        ),
    ),
    Crossed(
        ExplainedVariance,
        "encodes",
        "Explained variance",
        "The share of the variance of the vectors that each concept, the batch and the treatment explain by "
        "themselves. What is encoded need not be large, and what is large need not be encoded.",
        Column("", ("block",)),
        Column("", ("alone",), percent),
    ),
    Crossed(
        ExplainedVariance,
        "encodes",
        "First principal component",
        "The share of the first principal component that each explains by itself.",
        Column("", ("block",)),
        Column("", ("of_first_component",), percent),
    ),
    Rows(
        EmbeddingShape,
        "encodes",
        "Geometry of the vectors",
        "Effective dimensions: the participation ratio of the principal components. Hubness: the skewness of how often "
        "rows are among others' nearest. Ties: rows whose nearest neighbour is as near as the next.",
        (
            ENCODER,
            Column("effective dimensions", ("effective_dimensions", "n_features"), _of),
            Column("first component", ("top_share",), percent),
            Column("mean cosine", ("mean_cosine",)),
            Column("hubness", ("hubness",), _one_decimal),
            Column("ties", ("ties",), percent),
            Column("oddities", ("duplicates", "zero", "dead", "not_finite"), _oddities),
            Column("finding", ("finding",)),
        ),
    ),
    Rows(
        WithoutShortcut,
        "relies",
        "Scores without shortcuts",
        "The share of the score above chance that is left with a shortcut regressed out of the vectors, among wells "
        "that are matched in it, or with neighbours that share it left out; the latter two beside as many candidates "
        "at random. Where too few controls are there to fit a regression on, it is fitted on all wells and removes all "
        "that correlates with the shortcut.",
        (
            ENCODER,
            QUESTION,
            Column("adjustment", ("shortcut", "way", "fit"), _adjustment),
            Column("before", ("before",)),
            Column("after", ("after",)),
            Column("left", ("estimate",), _share),
            ADJUSTED_P,
            UNITS,
        ),
    ),
    Rows(
        AfterIntervention,
        "relies",
        "Scores after interventions on the images",
        "The share of the score above chance that is left once the pixels were changed. Shift: how far the vectors "
        "moved, relative to the distance of two random wells.",
        (
            ENCODER,
            QUESTION,
            Column("intervention", ("intervention",)),
            Column("before", ("before",)),
            Column("after", ("after",)),
            Column("left", ("estimate",), _share),
            ADJUSTED_P,
            UNITS,
            Column("shift", ("shift",)),
        ),
    ),
    Rows(
        SimilarityStructure,
        "relies",
        "Similarities of wells",
        "Partial correlation of an encoder's similarities with those of a shortcut given the treatment, and with the "
        "sameness of treatment given the shortcut; last, with treatment alone.",
        (
            ENCODER,
            Column("shortcut", ("shortcut",)),
            Column("with the shortcut", ("follows",)),
            Column("with treatment", ("biology",)),
            Column("with treatment, nothing given", ("biology_alone",)),
        ),
    ),
    Rows(
        StratumGain,
        "beats",
        "By phenotype",
        "Each encoder beside the baseline that is best over all units. Strength is measured by other encoders than "
        "these two.",
        (
            ENCODER,
            Column("baseline", ("baseline",)),
            QUESTION,
            Column("by", ("by",)),
            Column("stratum", ("stratum",)),
            Column("score", ("value",)),
            Column("baseline's score", ("baseline_value",)),
            Column("gain", ("gain",), _difference),
            Column("units", ("gain",), _units),
        ),
    ),
    Rows(
        LessDataScore,
        "beats",
        "With less data",
        "Shots: rows of each class in training. Replicates: wells of each perturbation. The last amount is all data.",
        (
            ENCODER,
            QUESTION,
            Column("data", ("data",)),
            Column("amount", ("amount",)),
            SCORE,
            CHANCE,
            Column("baseline", ("baseline",)),
            Column("gain", ("gain",), _difference),
            Column("note", ("note",)),
        ),
    ),
    Rows(
        LayerChoice,
        "beats",
        "Layers and pooling",
        "Chosen on random halves of the units and scored on the other halves. Optimism: how much better the best "
        "choice looks on the units that it was chosen by.",
        (
            Column("network", ("encoder",)),
            QUESTION,
            Column("chosen", ("chosen",)),
            Column("how often", ("share",), percent),
            SCORE,
            Column("as it comes", ("as_it_comes",)),
            Column("gain", ("gain",), _difference),
            Column("optimism", ("optimism",), _small),
            Column("caveat", ("caveat",)),
        ),
    ),
)

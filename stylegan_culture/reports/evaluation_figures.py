"""The figures of an evaluation: what each is called, how it is printed, and what it means."""

import dataclasses

from stylegan_culture.reports.parts.numbers import number


@dataclasses.dataclass(frozen=True)
class Figure:
    """One measure: heading, "share" (printed in per cent) or "number", whether much is good
    ("high"), bad ("low") or neither (""), and a sentence on what it is."""

    heading: str
    unit: str
    better: str
    text: str

    def show(self, value: float) -> str:
        """A value as the report prints it."""
        return number(value, "{:.0%}") if self.unit == "share" else number(value, "{:.3f}")


CULTURE = {
    "named": Figure(
        "Named as asked",
        "share",
        "high",
        "Results that the judge names as the asked tradition before all others.",
    ),
    "photograph": Figure(
        "Taken for a photograph", "share", "low", "Results that the judge names a photograph."
    ),
    "style_distance": Figure(
        "Style distance",
        "number",
        "low",
        "Relative difference of Gram matrices to the mean of the tradition's artworks, over five "
        "taps of a VGG-19; median.",
    ),
    "style_to_gatys": Figure(
        "Style distance to Gatys's",
        "number",
        "low",
        "Restyled like one artwork: the style distance to it, over that of a picture optimised for "
        "it (Gatys et al.). 1 is as near as optimisation gets.",
    ),
}
CONTENT = {
    "nearest": Figure(
        "The source is the nearest",
        "share",
        "high",
        "Results whose source is nearer than all other contents and the gallery of photographs.",
    ),
    "artwork_nearer": Figure(
        "An artwork is nearer",
        "share",
        "low",
        "Restyled photographs that are nearer to an artwork than to their source: copied artworks.",
    ),
    "content_distance": Figure(
        "Content distance",
        "number",
        "low",
        "2 - 2 cos of the judge's mid-level features, standardised by channel; 0 for the source "
        "itself, about 2 for an unrelated picture; median.",
    ),
    "perceptual_distance": Figure(
        "Perceptual distance",
        "number",
        "",
        "Squared difference of unit feature vectors, mean over positions and taps (LPIPS without "
        "learnt weights); 0 for a copy; median.",
    ),
    "structure": Figure(
        "Structure",
        "number",
        "high",
        "The structure term of SSIM on luminance: 1 where edges stay where they were.",
    ),
    "error": Figure(
        "Distance to the truth",
        "number",
        "low",
        "Root mean square difference to the true rendering, in units of brightness; median.",
    ),
}
LOOK = {
    "diversity": Figure(
        "Diversity of contents",
        "number",
        "",
        "How much results of different pictures differ, over how much the pictures do; near 0 the "
        "model paints one picture whatever it is given.",
    ),
    "style_diversity": Figure(
        "Diversity of cultures",
        "number",
        "",
        "How much results of one picture differ from culture to culture, in the same unit.",
    ),
    "lines": Figure(
        "Lines of a grid",
        "share",
        "low",
        "Of results and strides, those with a line in the spectrum so strong that 1 in 100 "
        "artworks has it.",
    ),
}
SETS = {
    "fid": Figure("FID", "number", "low", "Distance of two Gaussians; too great for few pictures."),
    "fid_without_bias": Figure(
        "FID, extended", "number", "low", "As it would be of endlessly many results."
    ),
    "kid": Figure("KID", "number", "low", "Squared kernel distance; right for few pictures too."),
    "precision": Figure(
        "Precision", "share", "high", "Results that lie where artworks of the tradition lie."
    ),
    "recall": Figure("Recall", "share", "high", "Artworks that lie where results lie."),
    "coverage": Figure("Coverage", "share", "high", "Artworks that have a result beside them."),
    "artfid": Figure(
        "ArtFID", "number", "low", "(1 + perceptual distance)(1 + FID): content and style in one."
    ),
}
ALL = CULTURE | CONTENT | LOOK | SETS


def named(found: dict, base: str):
    """A figure by its plain name: `fid` is found under `fid@backbone-weights`, too."""
    for key, value in found.items():
        if key == base or key.startswith(f"{base}@"):
            return value
    return None


def present(methods: dict, group: dict) -> dict:
    """The figures of a group that any of the methods has."""
    return {
        name: figure
        for name, figure in group.items()
        if any(named(found, name) is not None for found in methods.values())
    }

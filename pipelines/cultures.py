"""Traditions by key: the eight of the built-in ornaments, and picture traditions of folders.

The ornaments are a test bed for image style transfer and not a claim about any culture. Every
tradition named here is far richer than one motif; each was chosen because it has a precise geometry
that a program can draw and a test can check. The colours and line weights that go with them
(`stylegan_culture.pipelines.ornaments.idioms`) are inventions.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Tradition:
    """A tradition of pictures: the key that folders are named by, and what a reader is told.

    note: of sacred and living traditions and of burials, what one who publishes results should
    know; the card of a model that knows the tradition has it.
    """

    key: str
    title: str
    region: str
    period: str
    note: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class Culture(Tradition):
    """One ornament tradition: identity, origin, how the motif is constructed, where to read on."""

    construction: str
    source: str


ORNAMENTS: tuple[Culture, ...] = (
    Culture(
        "seigaiha",
        "Seigaiha waves",
        "Japan",
        "Heian period (794-1185) onwards; on haniwa figures from the 6th century",
        "Rows of concentric circles of radius r, two radii apart; each row lies r/2 lower, half a "
        "pitch to the side, and in front of the row above, so that only fans remain.",
        "J. W. Dower, The Elements of Japanese Design (1971)",
    ),
    Culture(
        "girih",
        "Girih stars",
        "Islamic world, Persia and Central Asia",
        "10th century onwards",
        "Polygons in contact (Hankin): in every polygon of the 4.8.8 tiling two rays leave each "
        "edge's midpoint at 45 degrees and stop where they meet: {8/2} stars and squares.",
        "E. H. Hankin (1925); C. S. Kaplan, Islamic Star Patterns from Polygons in Contact (2005)",
    ),
    Culture(
        "meander",
        "Greek meander",
        "Greece",
        "Geometric period (c. 900-700 BCE) onwards",
        "One unbroken line on a square grid, one unit thick with one unit between: up, over, back "
        "into the turn and out below it, repeating every eight units.",
        "O. Jones, The Grammar of Ornament (1856), Greek plates",
    ),
    Culture(
        "iceray",
        "Ice-ray lattice",
        "China, Sichuan and Jiangnan",
        "17th to 19th century windows",
        "A shape grammar: a convex polygon is split by a straight line between two of its sides, "
        "again and again, so that lines end on lines as cracks in ice do. Here it starts from one "
        "hexagon that tiles the plane.",
        "D. S. Dye, A Grammar of Chinese Lattice (1937); G. Stiny, Ice-ray (1977)",
    ),
    Culture(
        "kawung",
        "Kawung batik",
        "Java",
        "13th century reliefs; court batik from the 18th century",
        "Four lens-shaped petals, each the overlap of two circles, meet in a point; the petals lie "
        "on the diagonals of a square lattice, each with a seed, and a cross lies between them.",
        "H. I. R. Hinzler; I. McCabe Elliott, Batik: Fabled Cloth of Java (1984)",
    ),
    Culture(
        "interlace",
        "Insular interlace",
        "Ireland and Britain",
        "7th to 9th century manuscripts and stones",
        "A plait of two sets of diagonal bands that pass over and under in turn along every band; "
        "each band has a light body and dark edges that stop where it dives.",
        "J. R. Allen, Celtic Art in Pagan and Christian Times (1904); G. Bain, Celtic Art (1951)",
    ),
    Culture(
        "kente",
        "Akan kente",
        "Ghana, Asante and neighbours",
        "18th century onwards",
        "Narrow strips sewn side by side; along a strip warp-faced blocks (stripes along it) and "
        "weft-faced blocks (bars across it) alternate, offset by one block from strip to strip.",
        "D. H. Ross, Wrapped in Pride (1998)",
    ),
    Culture(
        "fret",
        "Stepped fret (xicalcoliuhqui)",
        "Mesoamerica; Mitla, Oaxaca",
        "c. 900 BCE to 1521",
        "A staircase whose top step rises into a stem that turns twice to a square hook; on an "
        "eight-unit grid, the steps two units wide.",
        "H. Beyer, El origen, desarrollo y significado de la greca escalonada (1924)",
    ),
)

# What pictures of a folder of this name are taken to be; other names are shown as they are written.
PICTURES: tuple[Tradition, ...] = (
    Tradition("ukiyo_e", "Ukiyo-e", "Japan", "17th to 19th century"),
    Tradition("chinese_ink_painting", "Chinese ink painting", "China", "Tang to Qing, 618-1912"),
    Tradition("persian_miniature", "Persian miniature", "Iran", "14th to 19th century"),
    Tradition(
        "indian_miniature",
        "Indian miniature",
        "South Asia",
        "15th to 19th century",
        note="Many paintings of this tradition show deities and holy persons of faiths that are "
        "alive: Hindus worship Krishna, Rama and the Goddess today, Jains revere the Jinas.",
    ),
    Tradition("impressionism", "Impressionism", "France", "about 1860-1900"),
    Tradition("post_impressionism", "Post-Impressionism", "France", "about 1880-1906"),
    Tradition("european_old_masters", "European old masters", "Europe", "15th to 18th century"),
    Tradition("russian_painting", "Russian painting", "Russia", "19th to early 20th century"),
    Tradition("dore_engraving", "Doré's wood engraving", "France", "1850-1883"),
    Tradition(
        "byzantine_icon",
        "Byzantine icon",  # with post-Byzantine ones and some mosaics
        "Byzantium and the Orthodox world",
        "6th to 19th century",
        note="Icons are made for prayer. Orthodox and other Eastern Christians venerate them today "
        "and honour in them the persons they show. A restyled photograph is not an icon.",
    ),
    Tradition(
        "egyptian_painting",
        "Egyptian funerary painting",  # coffins, a Book of the Dead, mummy portraits
        "Egypt",
        "13th century BCE to Roman period",
        note="These coffins, papyri and portraits were made for burials and come from graves. Many "
        "name or show one person who had died.",
    ),
    Tradition(
        "greek_vase",
        "Athenian vase painting",
        "Athens",
        "6th and 5th century BCE, mostly red-figure",
    ),
    Tradition("roman_mosaic", "Roman mosaic", "Roman Empire", "2nd century BCE to 6th century CE"),
    Tradition(
        "mesoamerican_codex",
        "Mesoamerican codex",
        "Mexico and Central America: Maya, Nahua, Mixtec",
        "about 13th to 16th century",
        note="The codices hold calendars, rites, histories and claims to land; the later ones were "
        "painted under Spanish rule. Maya, Nahua and Mixtec people, the descendants of those who "
        "made them, are living communities, and to many of them these books are sacred, or are "
        "their heritage. Signs that a program paints cannot be read.",
    ),
    Tradition(
        "medieval_illumination",
        "Medieval illumination",
        "Western Europe",
        "mostly 13th to early 16th century",
        note="Many of these pages are of books of scripture and prayer, most Christian, some "
        "Jewish, whose texts are read and prayed today.",
    ),
    Tradition(
        "yamato_e", "Yamato-e picture scroll", "Japan", "13th and 14th century, and old copies"
    ),
    Tradition(
        "company_school",
        "Company School",
        "India",
        "19th century",
        note="Indian painters worked here for British buyers under colonial rule. Sheets that show "
        "people as types of a caste, a faith or a trade show how those buyers saw them.",
    ),
)

KEYS: tuple[str, ...] = tuple(culture.key for culture in ORNAMENTS)

_KNOWN = {one.key: one for one in (*ORNAMENTS, *PICTURES)}


def notes(keys: Iterable[str]) -> dict[str, str]:
    """Title to note of those of some keys that are traditions with one, in their order."""
    known = [_KNOWN[key] for key in keys if key in _KNOWN]
    return {one.title: one.note for one in known if one.note}


def title(key: str) -> str:
    """What a reader is told for a key: a known tradition's title, else the key, readable."""
    if key in _KNOWN:
        return _KNOWN[key].title
    readable = key.replace("_", " ").strip()
    return readable[:1].upper() + readable[1:]

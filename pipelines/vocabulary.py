"""Museums' free-text cultures to keys: "Japan, Edo period (1615-1868)" is `japanese`.

A text is cut into parts at commas, semicolons, brackets and slashes; dates, lives ("active by
1444", "born England") and hedges ("probably", "attributed to") are left out; what is left of a part
is looked up in `TERMS`, longest phrase first. Of several matches the narrowest wins (a people
before a country, a country before a part of the world), and of equals the first. What a text says
of style or place without naming a culture ("Romanesque", "Unknown") has no key.
"""

import dataclasses
import re
import unicodedata

PEOPLE, COUNTRY, REGION = 3, 2, 1


@dataclasses.dataclass(frozen=True)
class Culture:
    """A normalised culture.

    key: as folders and tags name it.
    breadth: `PEOPLE` (or a city's, a dynasty's court's), `COUNTRY`, or `REGION`.
    terms: phrases in lower case without accents that name it.
    """

    key: str
    breadth: int
    terms: tuple[str, ...]


def _culture(key: str, breadth: int, terms: str) -> Culture:
    return Culture(key, breadth, tuple(term.strip() for term in terms.split(",")))


CULTURES: tuple[Culture, ...] = (
    # East and Central Asia
    _culture("japanese", COUNTRY, "japan, japanese, ainu, ryukyu, okinawa"),
    _culture("chinese", COUNTRY, "china, chinese, manchu"),
    _culture("korean", COUNTRY, "korea, korean, north korea, south korea"),
    _culture("tibetan", COUNTRY, "tibet, tibetan"),
    _culture("mongolian", COUNTRY, "mongolia, mongolian"),
    _culture("central_asian", REGION, "central asia, central asian, uzbekistan, turkmenistan"),
    # South and South-East Asia
    _culture("indian", COUNTRY, "india, indian, western india, eastern india, northern india"),
    _culture("indian", COUNTRY, "southern india, southwestern india, southeastern india"),
    _culture("indian", COUNTRY, "northwestern india, northeastern india, central india"),
    _culture("indian", COUNTRY, "mughal india, mughal, rajput, pahari, gujarat, rajasthan"),
    _culture("nepalese", COUNTRY, "nepal, nepalese, newar"),
    _culture("pakistani", COUNTRY, "pakistan, gandhara, gandharan"),
    _culture("sri_lankan", COUNTRY, "sri lanka, ceylon"),
    _culture("bangladeshi", COUNTRY, "bangladesh"),
    _culture("burmese", COUNTRY, "burma, burmese, myanmar"),
    _culture("thai", COUNTRY, "thailand, thai, siam"),
    _culture("khmer", COUNTRY, "cambodia, cambodian, khmer"),
    _culture("vietnamese", COUNTRY, "vietnam, vietnamese, champa, cham"),
    _culture("indonesian", COUNTRY, "indonesia, indonesian, sumatra, borneo, sulawesi"),
    _culture("javanese", PEOPLE, "java, javanese, central java, east java, west java"),
    _culture("balinese", PEOPLE, "bali, balinese"),
    _culture("philippine", COUNTRY, "philippines, filipino, philippine"),
    # West Asia
    _culture("persian", COUNTRY, "iran, iranian, persia, persian, safavid, qajar, timurid"),
    _culture("persian", COUNTRY, "sasanian, achaemenid, ilkhanid"),
    _culture("ottoman", COUNTRY, "turkey, turkish, ottoman, ottoman turkey, anatolia"),
    _culture("mesopotamian", COUNTRY, "mesopotamia, mesopotamian, sumerian, babylonian, assyrian"),
    _culture("iraqi", COUNTRY, "iraq, iraqi"),
    _culture("syrian", COUNTRY, "syria, syrian, palmyra, palmyrene"),
    _culture("afghan", COUNTRY, "afghanistan, afghan"),
    _culture("armenian", COUNTRY, "armenia, armenian"),
    _culture("phoenician", COUNTRY, "phoenicia, phoenician, lebanon"),
    _culture("arabian", COUNTRY, "arabia, arabian, yemen, south arabia"),
    # Africa
    _culture("egyptian", COUNTRY, "egypt, egyptian"),
    _culture("coptic", PEOPLE, "coptic, copt"),
    _culture("nubian", PEOPLE, "nubia, nubian, sudan, meroe"),
    _culture("ethiopian", COUNTRY, "ethiopia, ethiopian"),
    _culture("moroccan", COUNTRY, "morocco, moroccan"),
    _culture("edo_benin", PEOPLE, "edo, edo peoples, edo people, court of benin, kingdom of benin"),
    _culture("yoruba", PEOPLE, "yoruba, yoruba peoples, yoruba people, ife"),
    _culture("igbo", PEOPLE, "igbo, igbo peoples, igbo people"),
    _culture("hausa", PEOPLE, "hausa, hausa peoples, hausa people"),
    _culture("nigerian", COUNTRY, "nigeria, nigerian"),
    _culture("akan", PEOPLE, "akan, asante, ashanti, akan peoples, asante peoples, fante, baule"),
    _culture("ghanaian", COUNTRY, "ghana, ghanaian"),
    _culture("dogon", PEOPLE, "dogon, dogon peoples, dogon people"),
    _culture("bamana", PEOPLE, "bamana, bambara, bamana peoples, bamana people"),
    _culture("malian", COUNTRY, "mali, malian"),
    _culture("senufo", PEOPLE, "senufo, senufo peoples, senufo people"),
    _culture("ivorian", COUNTRY, "cote d'ivoire, ivory coast"),
    _culture("mende", PEOPLE, "mende, mende peoples, mende people"),
    _culture("kuba", PEOPLE, "kuba, kuba peoples, kuba people"),
    _culture("kongo", PEOPLE, "kongo, kongo peoples, kongo people"),
    _culture("luba", PEOPLE, "luba, luba peoples, luba people"),
    _culture("fang", PEOPLE, "fang, fang peoples, fang people"),
    _culture(
        "congolese", COUNTRY, "democratic republic of the congo, republic of the congo, congo"
    ),
    _culture("congolese", COUNTRY, "congolese, zaire"),
    _culture("cameroonian", COUNTRY, "cameroon, cameroonian"),
    _culture("zulu", PEOPLE, "zulu, zulu peoples, zulu people"),
    _culture("south_african", COUNTRY, "south africa, south african"),
    _culture("west_african", REGION, "west africa, west african, guinea coast"),
    _culture("central_african", REGION, "central africa, central african"),
    _culture("east_african", REGION, "east africa, east african"),
    _culture("southern_african", REGION, "southern africa"),
    _culture("north_african", REGION, "north africa, north african"),
    # Europe, ancient
    _culture("greek", COUNTRY, "greece, greek, attic, corinthian, boeotian, laconian, cycladic"),
    _culture("greek", COUNTRY, "mycenaean, minoan, apulian, east greek"),
    _culture("roman", COUNTRY, "roman, roman empire, gallo-roman"),
    _culture("etruscan", COUNTRY, "etruria, etruscan"),
    _culture("cypriot", COUNTRY, "cyprus, cypriot"),
    _culture("byzantine", COUNTRY, "byzantium, byzantine"),
    _culture("celtic", COUNTRY, "celtic"),
    # Europe, later
    _culture("italian", COUNTRY, "italy, italian, venice, venetian, florence, florentine, sienese"),
    _culture("italian", COUNTRY, "siena, milanese, lombard, neapolitan, bolognese, genoese, rome"),
    _culture("french", COUNTRY, "france, french, burgundian, parisian"),
    _culture("flemish", PEOPLE, "flanders, flemish"),
    _culture("belgian", COUNTRY, "belgium, belgian"),
    _culture("netherlandish", COUNTRY, "netherlandish, south netherlandish, north netherlandish"),
    _culture("dutch", COUNTRY, "netherlands, kingdom of the netherlands, the netherlands, dutch"),
    _culture("dutch", COUNTRY, "holland"),
    _culture("spanish", COUNTRY, "spain, spanish, catalan, hispano-moresque, castilian"),
    _culture("portuguese", COUNTRY, "portugal, portuguese"),
    _culture("german", COUNTRY, "germany, german, bavarian, saxon, south german"),
    _culture("austrian", COUNTRY, "austria, austrian"),
    _culture("swiss", COUNTRY, "switzerland, swiss"),
    _culture(
        "british", COUNTRY, "great britain, britain, british, united kingdom, england, english"
    ),
    _culture("scottish", PEOPLE, "scotland, scottish"),
    _culture("welsh", PEOPLE, "wales, welsh"),
    _culture("irish", COUNTRY, "ireland, irish"),
    _culture("norwegian", COUNTRY, "norway, norwegian"),
    _culture("swedish", COUNTRY, "sweden, swedish"),
    _culture("danish", COUNTRY, "denmark, danish"),
    _culture("finnish", COUNTRY, "finland, finnish"),
    _culture("russian", COUNTRY, "russia, russian"),
    _culture("ukrainian", COUNTRY, "ukraine, ukrainian"),
    _culture("polish", COUNTRY, "poland, polish"),
    _culture("bohemian", COUNTRY, "bohemia, bohemian, czech, czech republic"),
    _culture("hungarian", COUNTRY, "hungary, hungarian"),
    # The Americas
    _culture(
        "american", COUNTRY, "america, american, united states, usa, united states of america"
    ),
    _culture("canadian", COUNTRY, "canada, canadian"),
    _culture("navajo", PEOPLE, "navajo, dine"),
    _culture("pueblo", PEOPLE, "pueblo, hopi, zuni, acoma, pueblo peoples, ancestral pueblo"),
    _culture("lakota", PEOPLE, "lakota, sioux, dakota, teton sioux"),
    _culture("haida", PEOPLE, "haida"),
    _culture("tlingit", PEOPLE, "tlingit"),
    _culture("inuit", PEOPLE, "inuit, eskimo, yup'ik, yupik"),
    _culture("native_north_american", REGION, "native north american, native american"),
    _culture("mexican", COUNTRY, "mexico, mexican"),
    _culture("aztec", PEOPLE, "aztec, mexica"),
    _culture("maya", PEOPLE, "maya, mayan"),
    _culture("olmec", PEOPLE, "olmec"),
    _culture("zapotec", PEOPLE, "zapotec"),
    _culture("mixtec", PEOPLE, "mixtec"),
    _culture("mesoamerican", REGION, "mesoamerica, mesoamerican"),
    _culture("peruvian", COUNTRY, "peru, peruvian"),
    _culture("inca", PEOPLE, "inca, inka"),
    _culture("moche", PEOPLE, "moche, mochica"),
    _culture("nasca", PEOPLE, "nasca, nazca"),
    _culture("paracas", PEOPLE, "paracas"),
    _culture("wari", PEOPLE, "wari, huari"),
    _culture("chimu", PEOPLE, "chimu"),
    _culture("colombian", COUNTRY, "colombia, colombian"),
    _culture("bolivian", COUNTRY, "bolivia, bolivian"),
    _culture("brazilian", COUNTRY, "brazil, brazilian"),
    _culture("costa_rican", COUNTRY, "costa rica, costa rican"),
    _culture("panamanian", COUNTRY, "panama, cocle"),
    # Oceania
    _culture("maori", PEOPLE, "maori, maori people, maori peoples"),
    _culture("hawaiian", PEOPLE, "hawaii, hawaiian, hawai'i"),
    _culture("new_guinean", COUNTRY, "papua new guinea, new guinea, sepik"),
    _culture("aboriginal_australian", PEOPLE, "aboriginal australian, aboriginal"),
    _culture("australian", COUNTRY, "australia, australian"),
)
TERMS: dict[str, Culture] = {term: culture for culture in CULTURES for term in culture.terms}
LONGEST = max(len(term.split()) for term in TERMS)

_HEDGES = re.compile(
    r"\b(probably|possibly|perhaps|likely|attributed to|ascribed to|said to be|circle of|style of|"
    r"manner of|after|in the style of|follower of|workshop of|school of|made in|for export to)\b"
)
# What is said of a maker's life or of another place is no further evidence.
_LIFE = re.compile(r"\b(born|died|active|act\.|b\.|d\.|fl\.|flourished|export|market)\b.*")
_PARTS = re.compile(r"[,;()\[\]/|:]|\bor\b|\band\b")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", re.UNICODE)
_SUFFIX = re.compile(r"-(style|made|type)\b")


def normalise(text: str) -> str | None:
    """The key of a culture as a museum publishes it, or None where it names none that is known."""
    best = None
    for part in _parts(text):
        culture = _lookup(part)
        if culture is not None and (best is None or culture.breadth > best.breadth):
            best = culture
    return None if best is None else best.key


def normalise_all(texts) -> tuple[list[str | None], list[str]]:
    """Keys of many texts, and the distinct ones that were not understood, in order."""
    keys = [normalise(text) for text in texts]
    unknown = dict.fromkeys(text for text, key in zip(texts, keys, strict=True) if key is None)
    return keys, list(unknown)


def _parts(text: str):
    """The parts of a text that may name a culture, in lower case and without accents."""
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("’", "'"))
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    for part in _PARTS.split(plain):
        part = _SUFFIX.sub("", _LIFE.sub("", _HEDGES.sub(" ", part)))
        words = _WORD.findall(part)
        if words:
            yield words


def _lookup(words) -> Culture | None:
    """The longest known phrase of a part; of equally long ones the first.

    A period named after a people elsewhere is none of theirs: the Edo period is no Edo people's.
    """
    if words[-1] in ("period", "dynasty", "era", "century") and len(words) > 1:
        named = TERMS.get(" ".join(words[:-1]))
        return named if named is not None and named.breadth == COUNTRY else None
    for length in range(min(LONGEST, len(words)), 0, -1):
        for start in range(len(words) - length + 1):
            culture = TERMS.get(" ".join(words[start : start + length]))
            if culture is not None:
                return culture
    return None

"""Museums' free-text cultures to keys: "Japan, Edo period (1615-1868)" is `japanese`.

A text is cut into parts at commas, semicolons, brackets and slashes; dates, lives ("active by
1444", "born England"), models ("after a German original"), markets and hedges ("probably",
"attributed to") are left out; of what is left the longest known phrases are read, from left to
right. Of several cultures the narrowest wins (a people, then an ancient culture, a country, a city,
a part of the world), and of equals the first. What a text says of style or place without naming a
culture ("Romanesque", "Unknown") has no key, nor has a place that only sounds like one ("Holy Roman
Empire").
"""

import dataclasses
import re
import typing
import unicodedata

PEOPLE, ANCIENT, COUNTRY, CITY, REGION = 5, 4, 3, 2, 1


@dataclasses.dataclass(frozen=True)
class Culture:
    """A normalised culture.

    key: as folders and tags name it.
    breadth: `PEOPLE`, `ANCIENT`, `COUNTRY`, `CITY` or `REGION`, from narrow to wide.
    terms: phrases in lower case without accents that name it.
    """

    key: str
    breadth: int
    terms: tuple[str, ...]


def _culture(key: str, breadth: int, terms: str) -> Culture:
    return Culture(key, breadth, tuple(term.strip() for term in terms.split(",")))


CULTURES: tuple[Culture, ...] = (
    # East and Central Asia
    _culture("japanese", COUNTRY, "japan, japanese, ryukyu, okinawa, edo period, meiji period"),
    _culture("japanese", COUNTRY, "muromachi period, heian period, kamakura period, nara period"),
    _culture("japanese", COUNTRY, "momoyama period, jomon period, taisho period, showa period"),
    _culture("ainu", PEOPLE, "ainu"),
    _culture("chinese", COUNTRY, "china, chinese, han dynasty, tang dynasty, song dynasty"),
    _culture("chinese", COUNTRY, "yuan dynasty, ming dynasty, qing dynasty, shang dynasty"),
    _culture("chinese", COUNTRY, "zhou dynasty, liao dynasty, jin dynasty, sui dynasty"),
    _culture("taiwanese", COUNTRY, "taiwan, taiwanese"),
    _culture("korean", COUNTRY, "korea, korean, joseon, goryeo, silla, baekje"),
    _culture("tibetan", COUNTRY, "tibet, tibetan"),
    _culture("mongolian", COUNTRY, "mongolia, mongolian"),
    _culture("central_asian", REGION, "central asia, central asian, uzbekistan, turkmenistan"),
    # South and South-East Asia
    _culture("indian", COUNTRY, "india, indian, mughal, rajput, pahari, gujarat, rajasthan"),
    _culture("indian", COUNTRY, "british india, portuguese india, french india"),
    _culture("nepalese", COUNTRY, "nepal, nepalese, newar"),
    _culture("pakistani", COUNTRY, "pakistan, gandhara, gandharan"),
    _culture("sri_lankan", COUNTRY, "sri lanka, sri lankan, ceylon"),
    _culture("bangladeshi", COUNTRY, "bangladesh"),
    _culture("burmese", COUNTRY, "burma, burmese, myanmar"),
    _culture("thai", COUNTRY, "thailand, thai, siam"),
    _culture("khmer", COUNTRY, "cambodia, cambodian, khmer"),
    _culture("vietnamese", COUNTRY, "vietnam, vietnamese, champa, cham"),
    _culture("indonesian", COUNTRY, "indonesia, indonesian, sumatra, sulawesi, dutch east indies"),
    _culture("javanese", PEOPLE, "java, javanese, central java, east java, west java"),
    _culture("balinese", PEOPLE, "bali, balinese"),
    _culture("philippine", COUNTRY, "philippines, filipino, philippine"),
    # West Asia
    _culture("persian", COUNTRY, "iran, iranian, persia, persian, safavid, qajar, timurid"),
    _culture("persian", COUNTRY, "sasanian, achaemenid, ilkhanid"),
    _culture("turkish", COUNTRY, "turkey, turkish"),
    _culture("ottoman", ANCIENT, "ottoman, ottoman empire, ottoman turkey"),
    _culture("hittite", ANCIENT, "hittite, neo-hittite"),
    _culture("mesopotamian", ANCIENT, "mesopotamia, mesopotamian, sumerian, babylonian, assyrian"),
    _culture("mesopotamian", ANCIENT, "neo-assyrian, neo-babylonian, neo-sumerian, akkadian"),
    _culture("iraqi", COUNTRY, "iraq, iraqi"),
    _culture("syrian", COUNTRY, "syria, syrian"),
    _culture("palmyrene", ANCIENT, "palmyra, palmyrene"),
    _culture("lebanese", COUNTRY, "lebanon, lebanese"),
    _culture("afghan", COUNTRY, "afghanistan, afghan"),
    _culture("armenian", COUNTRY, "armenia, armenian"),
    _culture("phoenician", ANCIENT, "phoenicia, phoenician"),
    _culture("arabian", COUNTRY, "arabia, arabian, yemen, south arabia"),
    # Africa
    _culture("egyptian", COUNTRY, "egypt, egyptian"),
    _culture("coptic", ANCIENT, "coptic, copt"),
    _culture("nubian", ANCIENT, "nubia, nubian, meroe, meroitic"),
    _culture("sudanese", COUNTRY, "sudan, sudanese"),
    _culture("south_sudanese", COUNTRY, "south sudan, south sudanese"),
    _culture("ethiopian", COUNTRY, "ethiopia, ethiopian"),
    _culture("moroccan", COUNTRY, "morocco, moroccan"),
    _culture("edo_benin", PEOPLE, "edo peoples, edo people, court of benin, kingdom of benin"),
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
    _culture("congolese", COUNTRY, "democratic republic of the congo, republic of the congo"),
    _culture("congolese", COUNTRY, "congo"),
    _culture("congolese", COUNTRY, "congolese, zaire"),
    _culture("gabonese", COUNTRY, "gabon, gabonese"),
    _culture("cameroonian", COUNTRY, "cameroon, cameroonian"),
    _culture("zulu", PEOPLE, "zulu, zulu peoples, zulu people"),
    _culture("south_african", COUNTRY, "south africa, south african"),
    _culture("west_african", REGION, "west africa, west african, guinea coast"),
    _culture("central_african", REGION, "central africa, central african"),
    _culture("east_african", REGION, "east africa, east african"),
    _culture("southern_african", REGION, "southern africa"),
    _culture("north_african", REGION, "north africa, north african"),
    # Europe, ancient
    _culture("greek", ANCIENT, "greece, greek, attic, corinthian, boeotian, laconian, cycladic"),
    _culture("greek", ANCIENT, "mycenaean, minoan, apulian, south italian, magna graecia"),
    _culture("roman", ANCIENT, "roman, roman empire, gallo-roman"),
    _culture("etruscan", ANCIENT, "etruria, etruscan"),
    _culture("cypriot", COUNTRY, "cyprus, cypriot"),
    _culture("byzantine", ANCIENT, "byzantium, byzantine"),
    _culture("celtic", ANCIENT, "celtic"),
    # Europe, later
    _culture(
        "italian", COUNTRY, "italy, italian, venetian, florentine, sienese, milanese, lombard"
    ),
    _culture("italian", COUNTRY, "neapolitan, bolognese, genoese, sicily, sicilian, tuscan"),
    _culture("italian", CITY, "venice, florence, siena, milan, naples, bologna, genoa, rome"),
    _culture("french", COUNTRY, "france, french, burgundian, parisian, burgundy"),
    _culture("french", CITY, "paris"),
    _culture("flemish", COUNTRY, "flanders, flemish"),
    _culture("belgian", COUNTRY, "belgium, belgian"),
    _culture("netherlandish", COUNTRY, "netherlandish, south netherlands, southern netherlands"),
    _culture("netherlandish", COUNTRY, "spanish netherlands, austrian netherlands"),
    _culture("netherlandish", COUNTRY, "burgundian netherlands"),
    _culture("dutch", COUNTRY, "netherlands, kingdom of the netherlands, the netherlands, dutch"),
    _culture("dutch", COUNTRY, "holland"),
    _culture("spanish", COUNTRY, "spain, spanish, catalan, hispano-moresque, castilian"),
    _culture("portuguese", COUNTRY, "portugal, portuguese"),
    _culture("german", COUNTRY, "germany, german, bavarian, saxon"),
    _culture("austrian", COUNTRY, "austria, austrian"),
    _culture("swiss", COUNTRY, "switzerland, swiss"),
    _culture("british", COUNTRY, "great britain, britain, british"),
    _culture("british", COUNTRY, "united kingdom, england, english"),
    _culture("scottish", COUNTRY, "scotland, scottish"),
    _culture("welsh", COUNTRY, "wales, welsh"),
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
        "american", COUNTRY, "america, american, usa, united states, united states of america"
    ),
    _culture("american", COUNTRY, "new england, new mexico, new york, new jersey, new hampshire"),
    _culture("american", COUNTRY, "pennsylvania german, pennsylvania dutch, african american"),
    _culture("american", COUNTRY, "african-american, chinese american, japanese american"),
    _culture("american", COUNTRY, "mexican american, california, massachusetts, connecticut"),
    _culture("american", COUNTRY, "pennsylvania, north dakota, south dakota, dakota territory"),
    _culture("american", COUNTRY, "new orleans, new lebanon"),
    _culture("canadian", COUNTRY, "canada, canadian, british columbia, french canadian"),
    _culture("navajo", PEOPLE, "navajo, dine"),
    _culture("pueblo", PEOPLE, "pueblo, hopi, zuni, acoma, pueblo peoples, ancestral pueblo"),
    _culture("lakota", PEOPLE, "lakota, sioux, teton sioux, dakota sioux"),
    _culture("haida", PEOPLE, "haida"),
    _culture("tlingit", PEOPLE, "tlingit"),
    _culture("inuit", PEOPLE, "inuit, eskimo, yup'ik, yupik"),
    _culture("native_north_american", REGION, "native north american, native american"),
    _culture("native_north_american", REGION, "american indian"),
    _culture("mexican", COUNTRY, "mexico, mexican, new spain"),
    _culture("aztec", PEOPLE, "aztec, mexica"),
    _culture("maya", PEOPLE, "maya, mayan"),
    _culture("teotihuacan", PEOPLE, "teotihuacan"),
    _culture("olmec", PEOPLE, "olmec"),
    _culture("zapotec", PEOPLE, "zapotec"),
    _culture("mixtec", PEOPLE, "mixtec"),
    _culture("mesoamerican", REGION, "mesoamerica, mesoamerican"),
    _culture("guatemalan", COUNTRY, "guatemala, guatemalan"),
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
    _culture(
        "new_guinean", COUNTRY, "papua new guinea, new guinea, sepik, new ireland, new britain"
    ),
    _culture("aboriginal_australian", PEOPLE, "aboriginal australian, australian aboriginal"),
    _culture("australian", COUNTRY, "australia, australian, new south wales"),
)
# Places and powers that only sound like a culture: they are read and ignored.
NONE = (
    *("south america", "central america", "latin america", "north america", "west indian"),
    *("west indies", "danish west indies", "indian ocean", "east indies", "holy roman empire"),
    *("french polynesia", "french guiana", "british guiana", "american samoa", "french indochina"),
    *("spanish colonial", "portuguese colonial", "french colonial", "british colonial"),
    *("greek revival", "roman catholic"),
)
TERMS: dict[str, Culture | None] = {term: culture for culture in CULTURES for term in culture.terms}
TERMS.update(dict.fromkeys(NONE))
LONGEST = max(len(term.split()) for term in TERMS)

_HEDGES = re.compile(
    r"\b(probably|possibly|perhaps|likely|attributed to|ascribed to|said to be|circle of|"
    r"follower of|workshop of|school of|made in)\b"
)
# A maker's life, a model or a market is no evidence.
_ASIDE = re.compile(
    r"\b(born|died|active|flourished|copy after|after|in the style of|style of|manner of|"
    r"made for|for the|for export|export|market)\b.*|\b(act|b|d|fl)\..*|\bfor\b.*\bmarket\b.*"
)
_ORDINAL = re.compile(r"\b\d+(st|nd|rd|th)\b")
_STATES = re.compile(r"\bu\.\s?s\.(\s?a\.)?")
_MARKS = str.maketrans(dict.fromkeys("ʻʼ‘’", "'"))
_PARTS = re.compile(r"[,;()\[\]/|:]|\bor\b|\band\b")
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*", re.UNICODE)
_SUFFIX = re.compile(r"-(style|made|type)\b")


def normalise(text: str) -> str | None:
    """The key of a culture as a museum publishes it, or None where it names none that is known."""
    best = None
    for part in _parts(text):
        for culture in _read(part):
            if best is None or culture.breadth > best.breadth:
                best = culture
    return None if best is None else best.key


def _parts(text: str) -> typing.Iterator[list[str]]:
    """The words of each part that may name a culture, in lower case and without accents."""
    decomposed = unicodedata.normalize("NFKD", text.lower().translate(_MARKS))
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    for part in _PARTS.split(_ORDINAL.sub(" ", _STATES.sub("usa ", plain))):
        words = _WORD.findall(_SUFFIX.sub("", _ASIDE.sub("", _HEDGES.sub(" ", part))))
        if words:
            yield words


def _read(words: list[str]) -> typing.Iterator[Culture]:
    """The cultures of a part, by its longest known phrases from left to right."""
    start = 0
    while start < len(words):
        for length in range(min(LONGEST, len(words) - start), 0, -1):
            phrase = " ".join(words[start : start + length])
            if phrase in TERMS:
                if TERMS[phrase] is not None:
                    yield TERMS[phrase]
                break
        start += length

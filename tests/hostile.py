"""Names that nobody means well, and what a page may become of them: nothing but text."""

import dataclasses
import re

from reader import Reader

from stylegan_culture import outputs
from stylegan_culture.config import visible

MARKUP = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>"
CLOSING = "</title></style></td></svg><svg onload='a()'>&lt;b&gt;javascript:a()//https://x.example"
TURNED = "\u202e\x00\x1b[31m\n<b>{x} $\\frac{ %s`|`\r\u2028"
LONG = "<i>" + "long " * 1000
NAMES = (
    *(MARKUP, CLOSING, TURNED, LONG, "", ".", "..", "../../x", "/etc/passwd", "a/b", "a\\b", "\0"),
    *("con", "NUL.txt", "com1", "x" * 300, "波" * 200, "-rf", "~", ".hidden", "a.", "a ", "A "),
    *("\udcff", "=1+1", "$x$", "$\\frac{", "a\nb", "é", "e\u0301", "ǅ", "ß", "SS", "$(id)", "`id`"),
)


def renamed(value, names: dict):
    """A record in which the keys and values `names` are others, also at the start of a path."""
    if dataclasses.is_dataclass(value):
        fields = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
        return dataclasses.replace(
            value, **{key: renamed(one, names) for key, one in fields.items()}
        )
    if isinstance(value, dict):
        return {renamed(key, names): renamed(one, names) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(renamed(one, names) for one in value)
    if not isinstance(value, str):
        return value
    first, slash, rest = value.partition("/")
    return names.get(first, first) + slash + rest


def check(page: str, honest: str, texts) -> None:
    """Asserts that a page shows all `texts` and is otherwise built as an honest one is."""
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]", page
    )
    found, other = Reader(page), Reader(honest)
    shape = [(tag, sorted(own)) for tag, own in found.attributes]
    assert shape == [(tag, sorted(own)) for tag, own in other.attributes]
    assert not found.wrong and not found.reaches_out()
    assert found.unreadable() == other.unreadable()
    assert "script" not in {tag for tag, _ in found.attributes}
    words = " ".join(text for _, text in found.found)
    for text in texts:
        assert visible(text) in words, text
    policies = [own["content"] for _, own in found.attributes if "http-equiv" in own]
    assert len(policies) == 1 and policies[0].startswith("default-src 'none'; img-src data:;")
    assert outputs.PAGE.search(page.encode()[: outputs.HEAD])

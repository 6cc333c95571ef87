"""JSON in a model card: the same values, in few lines."""

import json

from stylegan_culture.deploy.markdown import json_block

VALUE = {
    "a": 1,
    "b": {"c": [1, 2], "d": {"x": [], "y": "ü"}},
    "e": [{"q": None}, {"r": [[1.5, 2], [3]]}],
    "f": {},
    "g": [{"h": "i", "named": [0.5, 1]}],
}


def test_what_holds_no_other_takes_one_line():
    lines = json_block(VALUE).split("\n")
    assert lines[0] == "```json" and lines[-1] == "```"
    assert json.loads("\n".join(lines[1:-1])) == VALUE
    whole = {'"c": [1, 2],', '"d": {"x": [], "y": "ü"}', '{"q": null},', '"r": [[1.5, 2], [3]]'}
    whole.add('{"h": "i", "named": [0.5, 1]}')
    assert whole <= {line.strip() for line in lines}
    assert json_block(3) == "```json\n3\n```" and json_block([]) == "```json\n[]\n```"

"""Reads a page as a reader without eyes or network would: tags, attributes and texts."""

import html.parser
import re

VOID = {"meta", "link", "img", "br"}


class Reader(html.parser.HTMLParser):
    """Text by the path of tags and classes, all attributes, and whether tags are closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found, self.attributes, self.wrong = [], [], [], []
        self.feed(text)
        self.wrong += self.open

    def handle_starttag(self, tag, attributes):
        self.attributes.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append((tag, dict(attributes).get("class") or ""))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop()[0] != tag:
            self.wrong.append(tag)

    def handle_data(self, text):
        self.found.append((tuple(self.open), text))

    def texts(self, tag, kind=""):
        return [text for path, text in self.found if path and path[-1] == (tag, kind)]

    def addresses(self):
        """All that a browser would follow or fetch."""
        keys = ("src", "href", "srcset", "data", "action", "poster")
        return [own[key] for _, own in self.attributes for key in keys if key in own]

    def reaches_out(self):
        """What of the page would be fetched from elsewhere, or run; empty where it stands alone."""
        found = [one for one in self.addresses() if not re.match(r"(data:|#)", one)]
        style = "".join(self.texts("style"))
        found += [text for text in ("@import", "url(") if text in style]
        found += [tag for tag, _ in self.attributes if tag in ("script", "iframe", "object")]
        return found + [key for _, own in self.attributes for key in own if key.startswith("on")]

    def unreadable(self):
        """What would keep it from those who hear it: skipped headings, charts without words,
        tables without captions, links to nowhere."""
        tags = [tag for tag, _ in self.attributes]
        marks = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
        found = [] if marks[:1] == [1] and marks.count(1) == 1 else ["not one h1 at the top"]
        steps = zip(marks, marks[1:], strict=False)
        found += [f"h{one} before h{other}" for one, other in steps if other > one + 1]
        for tag, own in self.attributes:
            if tag == "svg" and not (own.get("role") == "img" and own.get("aria-label")):
                found.append("svg without words")
            if tag == "img" and "alt" not in own:
                found.append("img without alt")
        if tags.count("table") != tags.count("caption"):
            found.append("table without caption")
        places = {own["id"] for _, own in self.attributes if "id" in own}
        named = {own["href"][1:] for _, own in self.attributes if own.get("href", "")[:1] == "#"}
        named |= {own["aria-labelledby"] for _, own in self.attributes if "aria-labelledby" in own}
        return found + sorted(named - places)

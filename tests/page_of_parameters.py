"""A page of parameters as tests read it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "br", "link", "img", "hr", "input"}


@dataclass
class Html(HTMLParser):
    """Tables by the id of their section, as rows of cell texts with the class of the row; tags must be balanced."""

    tables: dict[str, list[tuple[str, list[str]]]] = field(default_factory=dict)
    links: list[tuple[str, str, str]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.section = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        found = {key: value or "" for key, value in attributes}
        self.links += [(tag, key, value) for key, value in found.items() if key in ("src", "href", "srcset", "action")]
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "section":
            self.section = found["id"]
        if tag == "tr" and "tbody" in self.open:
            self.tables.setdefault(self.section, []).append((found.get("class", ""), []))
        if tag == "td":
            self.tables[self.section][-1][1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data
        if "td" in self.open:
            self.tables[self.section][-1][1][-1] += data


def read(page: str) -> Html:
    html = Html()
    html.feed(page)
    html.close()
    assert html.open == []
    return html


def sections(text: str) -> dict[str, list[list[str]]]:
    """Rows of a topology file by directive, as words without remarks."""
    found: dict[str, list[list[str]]] = {}
    name = ""
    for line in text.splitlines():
        words = line.split(";")[0].split()
        if words[:1] == ["["]:
            name = words[1]
        elif words:
            found.setdefault(name, []).append(words)
    return found


def has(rows: list[tuple[str, list[str]]], texts: list[str], numbers: list[str]) -> bool:
    """Whether a row has the texts in its first cells and all the numbers somewhere, as words."""
    return any(
        cells[: len(texts)] == texts and not Counter(numbers) - Counter(" ".join(cells).replace(",", "").split())
        for _, cells in rows
    )


def check_that_it_loads_nothing(page: str, html: Html) -> None:
    """Check a page whose title is `a <title>`."""
    assert page.startswith("<!DOCTYPE html>")
    assert all(tag == "a" and key == "href" for tag, key, _ in html.links)
    inside = [value for _, _, value in html.links if value.startswith("#")]
    assert {value for _, _, value in html.links if not value.startswith("https://doi.org/10.")} == set(inside)
    assert {value[1:] for value in inside} <= set(html.ids) and len(set(html.ids)) == len(html.ids)
    assert "<script" not in page and "@import" not in page and "url(" not in page
    assert "a &lt;title&gt;" in page and "a <title>" not in page

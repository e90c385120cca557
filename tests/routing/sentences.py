"""Finds every sentence the hub may say to people: in the code, in the templates and in the catalogue."""

import ast
from collections.abc import Iterator
from pathlib import Path

from jinja2 import nodes

from routing.catalog import CATALOG
from routing.topics import TOPICS
from routing.words import MILESTONES
from routing.writers.mail import ENVIRONMENT, TEMPLATES

ROOT = Path(__file__).parents[2]
SPEAKING = ("bots", "gateways", "routing")
ONE, SEVERAL = ("say", "pattern"), ("many", "pattern_of")

Sentence = tuple[str, str | None]
"""The key of a catalogue: the English sentence, and its plural where it has one."""


def said() -> set[Sentence]:
    found = {*_of_catalogue(), *((name, None) for name in (*TOPICS.values(), *MILESTONES))}
    for file in sorted(path for layer in SPEAKING for path in (ROOT / layer).rglob("*.py")):
        found |= set(_of_code(ast.parse(file.read_text())))
    for template in sorted(TEMPLATES.iterdir()):
        found |= set(_of_template(ENVIRONMENT.parse(template.read_text())))
    return found


def _of_catalogue() -> Iterator[Sentence]:
    for entry in (entry for entries in CATALOG.values() for entry in entries):
        if entry.collapse:
            yield entry.title, entry.many or entry.title
        else:
            titles = (entry.title, entry.else_title, *entry.kinds.values())
            yield from ((title, None) for title in titles if title and _speaks(title))
        if entry.text and _speaks(entry.text):
            yield entry.text, None


def _speaks(template: str) -> bool:
    """Whether it holds words of ours; `{title}` alone is what somebody wrote."""
    return not (template.startswith("{") and template.find("}") == len(template) - 1)


def _of_code(tree: ast.AST) -> Iterator[Sentence]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            if node.func.attr in ONE:
                yield from ((words, None) for words in _constants(node.args[0]))
            elif node.func.attr in SEVERAL and len(node.args) > 1:
                yield from zip(_constants(node.args[0]), _constants(node.args[1]), strict=True)


def _constants(node: ast.expr) -> list[str]:
    """The sentence, or those between which is chosen on the spot."""
    if isinstance(node, ast.IfExp):
        return _constants(node.body) + _constants(node.orelse)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def _of_template(tree: nodes.Template) -> Iterator[Sentence]:
    for call in tree.find_all(nodes.Call):
        words = [
            one.value for one in call.args if isinstance(one, nodes.Const) and isinstance(one.value, str)
        ]
        if isinstance(call.node, nodes.Name) and call.node.name in ONE:
            yield words[0], None
        elif isinstance(call.node, nodes.Name) and call.node.name in SEVERAL:
            yield words[0], words[1]

"""Sphinx extension: equations as MathML, which browsers draw by themselves.

Sphinx's own renderers load a script from a content network, or need LaTeX; pages are to be readable
without either.
"""

from __future__ import annotations

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

_SIZES = re.compile(r"\\[bB]igg?[lr]?(?![a-zA-Z])")
#: TeX takes \\frac12 for a half; docutils takes 12 for one number
_SHORT = re.compile(r"\\([td]?frac)(\d)(\d)")
#: an operator with its limits below it, which docutils does not know; and what is below it
_STARRED = re.compile(
    r"\\operatorname\*\s*\{([^{}]*)\}(?:\s*_\s*(\{(?:[^{}]|\{[^{}]*\})*\}|\\[a-zA-Z]+|[^\s{}\\]))?"
)
_NAMED = re.compile(r"\\operatorname\s*\{[^{}]*\}")
_THIN = "\N{THIN SPACE}"
_LOG = logging.getLogger(__name__)


def mathml(tex: str, block: bool) -> str:
    """An equation as MathML; parentheses have the size of what is in them anyway.

    :raises MathError: a command that docutils does not know.
    """
    tex = _SHORT.sub(r"\\\1{\2}{\3}", _SIZES.sub("", tex)).replace("…", r"\ldots ")
    tex = _STARRED.sub(_limits_below if block else _limits_beside, tex)
    # docutils takes what is in the braces for plain text
    tex = _NAMED.sub(lambda found: found[0].replace(r"\,", _THIN), tex)
    return tex2mathml(tex.strip(), as_block=block)


def _limits_below(found: re.Match[str]) -> str:
    name, below = found.groups()
    operator = rf"\operatorname{{{name}}}"
    # docutils sets no space after it
    return operator if below is None else rf"\underset{{{below}}}{{{operator}}}\,"


def _limits_beside(found: re.Match[str]) -> str:
    """As TeX does in a line of text."""
    name, below = found.groups()
    return rf"\operatorname{{{name}}}" + ("" if below is None else f"_{below}")


def _visit(self: HTML5Translator, node: nodes.math | nodes.math_block) -> None:
    block = isinstance(node, nodes.math_block)
    try:
        text = mathml(node.astext(), block)
    except MathError as error:
        _LOG.warning("equation %r: %s", node.astext(), error, location=node)
        text = f"<code>{self.encode(node.astext())}</code>"
    self.body.append(f'<div class="equation">{text}</div>\n' if block else text)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx calls this."""
    app.add_html_math_renderer("mathml", (_visit, None), (_visit, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}

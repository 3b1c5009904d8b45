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
_LOG = logging.getLogger(__name__)


def mathml(tex: str, block: bool) -> str:
    """An equation as MathML; parentheses have the size of what is in them anyway.

    :raises MathError: a command that docutils does not know.
    """
    tex = _SHORT.sub(r"\\\1{\2}{\3}", _SIZES.sub("", tex)).replace("…", r"\ldots ")
    return tex2mathml(tex.strip(), as_block=block)


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

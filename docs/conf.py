"""Sphinx: ``sphinx-build -W --keep-going -b html docs OUT`` (``pip install '.[docs]'``).

No network is used. Switches: ``-D plot_gallery=0`` renders the examples without running them,
``-D prior_figures=0`` leaves the priors' figures out. Figures are kept in docs/priors/figures, so
that only the first build draws all of them.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

from sphinx_gallery import gen_gallery  # noqa: E402

from pnp_priors import registry  # noqa: E402

# A folder with a README is a section of the gallery to sphinx-gallery, which has no option to leave
# one out; examples/images is none. pyproject.toml bounds the version for this.
gen_gallery.get_subsections = lambda *arguments, **options: []

project = "pnp_priors"
author = "the pnp_priors developers"
copyright = author
version = release = registry.version()

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "site_pages",
]
exclude_patterns = ["_ext", "_templates", "priors/figures", "_build"]
templates_path = ["_templates"]
highlight_language = "none"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autosummary_generate = True
# What a class inherits from torch.nn.Module is torch's to document.
autodoc_default_options = {"members": True, "show-inheritance": True}

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "pnp_priors"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "pnp_priors"},
    "navbar_end": ["theme-switcher"],
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": [],
    # none beside wide tables
    "secondary_sidebar_items": {"**": ["page-toc"], "results": []},
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}
html_sidebars = {"index": [], "start": [], "concepts": [], "changelog": []}

sphinx_gallery_conf = {
    "examples_dirs": [str(HERE.parent / "examples")],
    "gallery_dirs": ["gallery"],
    "within_subsection_order": "gallery_order.Order",
    # all are run, but those that make the example pictures
    "filename_pattern": r"\.py$",
    "ignore_pattern": r"(^|[\\/])(make_|_|conftest)[^\\/]*\.py$",
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 1e9,
    "reset_modules": ("matplotlib",),
    "show_signature": False,
    "remove_config_comments": True,
    "matplotlib_animations": False,
    "abort_on_example_error": False,
}

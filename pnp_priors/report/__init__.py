"""Reports on restored images: what was done, how it went, and a picture to look at.

- :mod:`pnp_priors.report.checks`: everything self-monitoring can say of one restored image;
- :mod:`pnp_priors.report.record`: that, the settings and the scores, as JSON;
- :mod:`pnp_priors.report.picture`: before, after and reference with a magnified detail;
- :mod:`pnp_priors.report.files`: both beside the restored file, and where its reference is.
"""

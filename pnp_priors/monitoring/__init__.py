"""Self-monitoring: what can be seen of a restoration going wrong, said in one line each.

- :mod:`pnp_priors.monitoring.iterates`: watches a deepinv solver, falls back when it diverges;
- :mod:`pnp_priors.monitoring.residual`: is what was left over white noise of the stated level;
- :mod:`pnp_priors.monitoring.noise`: an estimated noise level with its uncertainty, and a stated
  one in the wrong units;
- :mod:`pnp_priors.monitoring.kernel`: a kernel that is off its middle, or looks flipped.

Each module gives numbers (dataclasses for the report) and ``warnings``: lines for a person, none
when nothing is wrong. Only :mod:`iterates` needs torch.
"""

"""Measures of a rendered face against the original, one family a file; :mod:`bench.metrics.panel`
runs them all.

Third-party weights come from a folder that the user names; a measure whose weights aren't there is
left out and said so.
"""

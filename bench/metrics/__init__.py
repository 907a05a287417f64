"""Measures of a rendered face against the original, one family per file. :mod:`bench.metrics.panel`
runs those of single frames; :mod:`bench.picture` runs motion and lip sync.

Third-party weights come from a folder that the user names; a measure whose weights aren't there is
left out and reported as such.
"""

"""Measures of a rendered face against the original, one family a file; :mod:`bench.metrics.panel`
runs those of single frames; motion and lip sync are run by :mod:`bench.picture`.

Third-party weights come from a folder that the user names; a measure whose weights aren't there is
left out and said so.
"""

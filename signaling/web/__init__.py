"""The call's web page and what serves it at localhost: page, audio, capture, lobby; its files lie
in ``static/``.

For commands and bench.
"""

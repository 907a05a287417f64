"""The call's web page and what serves it at localhost: page, audio, capture; its files lie in
``static/``.

For signaling.session and bench.
"""

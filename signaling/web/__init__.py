"""The pages of a call. ``local_page.py`` serves the page of ``facewire call``, whose files lie in ``static/``; ``peer/`` is the
page that is a whole peer, which ``signaling/call_page.py`` serves. ``controls.html``: the buttons of both.

For signaling.session and bench.
"""

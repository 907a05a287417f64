"""The pages of a call.

``local_page.py`` serves the page of ``facewire call``, whose files are in ``static/``. ``peer/`` is the page that is
itself a peer; ``signaling/call_page.py`` serves it. Both pages have the buttons of ``controls.html``.

For signaling.session and bench.
"""

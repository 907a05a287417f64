"""The networks: what draws the face, what finds it, their data, training and export.

May import codec. The receiver and all packages behind it may import :mod:`models.runtime` and
:mod:`models.face`; the other folders need the ``train`` extra and are for training and bench.
"""

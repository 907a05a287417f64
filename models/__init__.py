"""The networks that render and find the face, their data, training and export.

May import codec. The receiver and all packages after it in the import order may import
:mod:`models.runtime` and :mod:`models.face`; the other folders need the ``train`` extra and are for
training and bench.
"""

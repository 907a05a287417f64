"""A call as the user requested it: sources, outputs, page and networks combined; several calls at
once; the lobby before a call.

For commands and bench.
"""

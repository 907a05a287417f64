"""A call as a user asked for it: sources, outputs, page and networks put together; several at once;
the lobby before a call.

For commands and bench.
"""

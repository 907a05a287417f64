"""The command line's subcommands, thin: they parse options and call the rooms. Nothing imports them
but ``facewire.py``."""

"""The command line's subcommands, thin: they parse options and call the packages. Nothing imports them
but ``facewire.py``."""

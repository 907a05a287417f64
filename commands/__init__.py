"""The command line's subcommands. They only parse options and call the packages. Nothing but
``facewire.py`` imports them."""

# A shell without a terminal.
sh -c true

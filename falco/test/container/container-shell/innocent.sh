# A shell without.
sh -c true

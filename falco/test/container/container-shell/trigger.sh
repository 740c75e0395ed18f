# A shell with a terminal.
script --quiet --return --command 'sh -c true' /dev/null >/dev/null

# A program of a user whom the image does not have, and one of root's that does not run there by itself.
setpriv --reuid 31337 --regid 31337 --clear-groups /bin/true

# A program of root's that does not run there by itself, and one of a user whom the image does not have.
/bin/true
exec setpriv --reuid 31337 --regid 31337 --clear-groups /bin/true

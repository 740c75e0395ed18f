# A program of root that does not usually run there, and one of a user that the image does not have.
/bin/true
exec setpriv --reuid 31337 --regid 31337 --clear-groups /bin/true

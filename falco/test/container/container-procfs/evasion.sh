# Opens its own memory for reading and writing.
perl -e 'open my $memory, "+<", "/proc/$$/mem"'

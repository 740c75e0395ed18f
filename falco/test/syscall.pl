# System calls without a command of their own: `perl syscall.pl NAME`. Numbers by architecture:
# x86-64, and the generic table of arm64.
use strict;
use warnings;
use POSIX ();
use IO::Handle;
$^F = 1000; # descriptors outlive exec
my $x = (POSIX::uname())[4] eq 'x86_64';
my $path = "not-a-module\0";
if ($ARGV[0] eq 'attach') {
	my $child = fork // die;
	if ($child == 0) { sleep 60; exit 0; }
	syscall($x ? 101 : 117, 16, $child, 0, 0); # ptrace(PTRACE_ATTACH)
	waitpid $child, 0x40000000; # __WALL: it stops
	kill 'KILL', $child;
	waitpid $child, 0;
} elsif ($ARGV[0] eq 'read-memory') {
	my $buffer = "\0" x 8;
	my $iovec = pack 'PQ', $buffer, 8;
	syscall($x ? 310 : 270, $ENV{SIDECAR_PID} + 0, $iovec, 1, $iovec, 1, 0); # process_vm_readv
} elsif ($ARGV[0] eq 'traceme') {
	my $child = fork // die;
	if ($child == 0) { syscall($x ? 101 : 117, 0, 0, 0, 0); exit 0; } # ptrace(PTRACE_TRACEME)
	waitpid $child, 0;
} elsif ($ARGV[0] eq 'mount') {
	my ($type, $place) = ("tmpfs\0", "/home/openclaw/.openclaw\0");
	syscall($x ? 165 : 40, $type, $place, $type, 0, 0); # mount
	syscall($x ? 166 : 39, $place, 0); # umount2
} elsif ($ARGV[0] eq 'load-module') {
	syscall($x ? 175 : 105, $path, 0, $path); # init_module, of nothing
} elsif ($ARGV[0] eq 'remove-module') {
	syscall($x ? 176 : 106, $path, 0); # delete_module, of one that is not there
} elsif ($ARGV[0] eq 'from-memory') {
	my $name = "anonymous\0";
	my $fd = syscall($x ? 319 : 279, $name, 0); # memfd_create
	die "memfd_create: $!" if $fd < 0;
	open my $to, '>&=', $fd or die;
	open my $from, '<', '/bin/true' or die;
	binmode $to; binmode $from;
	my $program = do { local $/; <$from> };
	print {$to} $program;
	$to->flush;
	exec "/proc/self/fd/$fd" or die "exec: $!";
}

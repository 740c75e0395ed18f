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
} elsif ($ARGV[0] eq 'write-memory') {
	my $buffer = "\0" x 8;
	my $iovec = pack 'PQ', $buffer, 8;
	syscall($x ? 311 : 271, $ENV{SIDECAR_PID} + 0, $iovec, 1, $iovec, 1, 0); # process_vm_writev
} elsif ($ARGV[0] eq 'seize') {
	my $child = fork // die;
	if ($child == 0) { sleep 60; exit 0; }
	syscall($x ? 101 : 117, 0x4206, $child, 0, 0); # ptrace(PTRACE_SEIZE)
	kill 'KILL', $child;
	waitpid $child, 0;
} elsif ($ARGV[0] eq 'take-descriptor') {
	my $pidfd = syscall(434, $ENV{SIDECAR_PID} + 0, 0); # pidfd_open
	syscall(438, $pidfd, 0, 0); # pidfd_getfd
} elsif ($ARGV[0] eq 'traceme') {
	my $child = fork // die;
	if ($child == 0) { syscall($x ? 101 : 117, 0, 0, 0, 0); exit 0; } # ptrace(PTRACE_TRACEME)
	waitpid $child, 0;
} elsif ($ARGV[0] eq 'mount') {
	my ($type, $place) = ("tmpfs\0", "/home/openclaw/.openclaw\0");
	syscall($x ? 165 : 40, $type, $place, $type, 0, 0); # mount
	syscall($x ? 166 : 39, $place, 0); # umount2
} elsif ($ARGV[0] eq 'new-mount') {
	my $type = "tmpfs\0";
	syscall(430, $type, 0); # fsopen
} elsif ($ARGV[0] eq 'enter-namespace') {
	open my $namespace, '<', '/proc/self/ns/net' or die;
	syscall($x ? 308 : 268, fileno $namespace, 0x40000000); # setns
} elsif ($ARGV[0] eq 'load-bpf') {
	syscall($x ? 321 : 280, 5, $path, 0); # bpf(BPF_PROG_LOAD)
} elsif ($ARGV[0] =~ /^io-uring/) {
	my $parameters = "\0" x 120;
	syscall(425, $ARGV[0] eq 'io-uring' ? 8 : 0, $parameters); # io_uring_setup; no ring has 0 entries
} elsif ($ARGV[0] eq 'create') {
	# arm64 has no creat().
	my $file = "$ARGV[1]\0";
	if ($x) { syscall(85, $file, 0600); } else { open my $to, '>', $ARGV[1]; }
} elsif ($ARGV[0] =~ /^(?:duplicate|connect|accept)$/) {
	# Standard input becomes a connection, within this process.
	require Socket;
	socket my $server, Socket::PF_INET(), Socket::SOCK_STREAM(), 0 or die;
	bind $server, Socket::pack_sockaddr_in(0, Socket::INADDR_LOOPBACK()) or die;
	listen $server, 1 or die;
	my $place = getsockname $server;
	if ($ARGV[0] ne 'connect') {
		socket my $client, Socket::PF_INET(), Socket::SOCK_STREAM(), 0 or die;
		connect $client, $place or die;
		POSIX::close(0);
		if ($ARGV[0] eq 'accept') { accept my $connection, $server or die; }
		else { fcntl $client, 0, 0 or die; } # F_DUPFD
	} else {
		POSIX::close(0);
		socket my $client, Socket::PF_INET(), Socket::SOCK_STREAM(), 0 or die;
		connect $client, $place or die;
	}
} elsif ($ARGV[0] eq 'load-module') {
	syscall($x ? 175 : 105, $path, 0, $path); # init_module, of nothing
} elsif ($ARGV[0] eq 'remove-module') {
	syscall($x ? 176 : 106, $path, 0); # delete_module, of one that is not there
} elsif ($ARGV[0] =~ /^from-memory/) {
	my $name = "anonymous\0";
	my $fd = syscall($x ? 319 : 279, $name, 0); # memfd_create
	die "memfd_create: $!" if $fd < 0;
	open my $to, '>&=', $fd or die;
	open my $from, '<', '/bin/true' or die;
	binmode $to; binmode $from;
	my $program = do { local $/; <$from> };
	print {$to} $program;
	$to->flush;
	if ($ARGV[0] eq 'from-memory') { exec "/proc/self/fd/$fd" or die "exec: $!"; }
	my ($empty, $arguments) = ("\0", "\0" x 8);
	syscall($x ? 322 : 281, $fd, $empty, $arguments, $arguments, 0x1000); # execveat(AT_EMPTY_PATH)
	die "execveat: $!";
}

# segments.pl ADDRESS PORT FROM: one write of 2,000 bytes to a UDP socket that was told to make two
# datagrams of it. No program of the guest's shell asks for that (UDP_SEGMENT, linux/udp.h).
my ($address, $port, $from) = @ARGV;
sub place { pack("S n C4 x8", 2, $_[1], split(/\./, $_[0])) }
socket(my $socket, 2, 2, 17) or die "socket: $!\n";
bind($socket, place("0.0.0.0", $from)) or die "bind: $!\n";
connect($socket, place($address, $port)) or die "connect: $!\n";
setsockopt($socket, 17, 103, pack("i", 1000)) or die "UDP_SEGMENT: $!\n";
syswrite($socket, "x" x 2000) == 2000 or die "write: $!\n";

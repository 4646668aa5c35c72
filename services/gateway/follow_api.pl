#!/usr/bin/perl
# Writes nginx's list of the API's addresses, and keeps it: follow_api.pl NAME:PORT FOLDER [once]
#
# The addresses of the API's containers change. nginx before 1.27.3 resolves a name once, or else makes a new connection
# for each request, which halves the throughput. So this program resolves the name every second, and reloads nginx when
# the addresses change. It is one process, because a shell would start five per second (0.5 % of a core), and in Perl,
# because Debian's base image has it.
#
# A reload can fail, and nginx ignores a signal while it starts. So this program reads, after a change, which addresses
# nginx uses, and reloads it again until they are the present ones.
use strict;
use warnings;
use IO::Socket::INET;
use Socket qw(getaddrinfo getnameinfo EAI_NODATA EAI_NONAME NI_NUMERICHOST NIx_NOSERV SOCK_STREAM);

use constant RELOAD_AGAIN_SECONDS => 5;

my ($api, $folder, $once) = @ARGV;
my ($name, $port) = $api =~ /^\[?(.*?)\]?:(\d+)$/ or die "glassbox: GLASSBOX_API is '$api', which is not NAME:PORT\n";
my $status = $ENV{GLASSBOX_GATEWAY_STATUS} // '127.0.0.1:8001'; # nginx.conf: the server that returns the addresses in use
my $file = "$folder/upstream.conf";
$ENV{RES_OPTIONS} = 'timeout:2 attempts:2'; # a name server that does not respond delays the next query by at most 4 s

sub servers { # return the API's addresses, sorted; undef if the name server does not respond
  my ($error, @found) = getaddrinfo($name, '', { socktype => SOCK_STREAM });
  return undef if $error && $error != EAI_NONAME && $error != EAI_NODATA;
  my %servers;
  for my $address ($error ? () : @found) {
    my ($failed, $host) = getnameinfo($address->{addr}, NI_NUMERICHOST, NIx_NOSERV);
    $servers{ $host =~ /:/ ? "[$host]:$port" : "$host:$port" } = 1 unless $failed;
  }
  return join ' ', sort keys %servers;
}

sub put {
  my ($servers) = @_;
  my $lines = join '', map { "  server $_ max_fails=2 fail_timeout=2s;\n" } split / /, $servers;
  # Without a server nginx would not start. It connects to none that is down: requests get 502 until the name resolves.
  $lines ||= "  server 127.0.0.1:$port down;\n";
  open my $new, '>', "$file.new" or die "glassbox: $file.new: $!\n";
  # keepalive_timeout is shorter than gunicorn's, so that gunicorn does not close a connection during a request
  print $new "upstream api {\n$lines  keepalive 64;\n  keepalive_timeout 20s;\n}\n";
  print $new "map \$host \$api_servers {\n  default \"$servers\";\n}\n"; # the response to `used`
  close $new or die "glassbox: $file.new: $!\n";
  rename "$file.new", $file or die "glassbox: $file: $!\n";
}

sub used { # return the addresses that nginx uses; undef if it does not respond
  my $nginx = IO::Socket::INET->new(PeerAddr => $status, Timeout => 2) or return undef;
  local $SIG{ALRM} = sub { $nginx->shutdown(2) };
  alarm 2;
  print $nginx "GET /api-servers HTTP/1.0\r\n\r\n";
  my $answer = do { local $/; <$nginx> } // '';
  alarm 0;
  return $answer =~ /\r\n\r\n(.*)/s ? $1 : undef;
}

sub reload {
  open my $pid, '<', "$folder/nginx.pid" or return; # nginx is still starting
  kill HUP => $1 if (<$pid> // '') =~ /^(\d+)$/; # requests in progress are completed
}

$SIG{PIPE} = 'IGNORE';
my $written = servers() // '';
put($written);
exit 0 if $once;
my $is_used = 0;
my $wait = 0; # seconds until the next reload if nginx still uses other addresses
while (1) {
  sleep 1;
  my $now = servers() // $written; # without a response from the name server, keep the addresses
  if ($now ne $written) {
    put($now);
    ($written, $is_used, $wait) = ($now, 0, 0);
  }
  next if $is_used;
  my $used = used();
  $is_used = defined $used && $used eq $written;
  next if $is_used || $wait-- > 0;
  reload();
  $wait = RELOAD_AGAIN_SECONDS - 1;
}

#!/usr/bin/perl
# Writes nginx's list of the API's addresses, and keeps it: follow_api.pl NAME:PORT FOLDER [once]
#
# The API's containers come and go. nginx before 1.27.3 looks a name up once, or else makes a new connection for each
# request, which costs half of the requests a second. So the name is looked up here every second, and nginx reloads its
# configuration when the answer changes. In one process, because a shell would start five a second, 0.5 % of a core;
# in Perl, because Debian's base image has it.
use strict;
use warnings;
use Socket qw(getaddrinfo getnameinfo NI_NUMERICHOST NIx_NOSERV SOCK_STREAM);

my ($api, $folder, $once) = @ARGV;
my ($name, $port) = $api =~ /^\[?(.*?)\]?:(\d+)$/ or die "glassbox: GLASSBOX_API is '$api', which is not NAME:PORT\n";
my $file = "$folder/upstream.conf";
my $written = '';

sub upstream {
  my ($error, @found) = getaddrinfo($name, '', { socktype => SOCK_STREAM });
  my %servers;
  for my $address ($error ? () : @found) {
    my ($failed, $host) = getnameinfo($address->{addr}, NI_NUMERICHOST, NIx_NOSERV);
    $servers{ $host =~ /:/ ? "[$host]" : $host } = 1 unless $failed;
  }
  %servers = ('127.0.0.1' => 1) unless %servers; # nothing listens there: requests get 502 until the name is known
  my $lines = join '', map { "  server $_:$port max_fails=2 fail_timeout=2s;\n" } sort keys %servers;
  # keepalive_timeout is less than gunicorn's, which would close a connection while a request is sent on it
  return "upstream api {\n$lines  keepalive 64;\n  keepalive_timeout 20s;\n}\n";
}

sub put {
  my ($text) = @_;
  open my $new, '>', "$file.new" or die "glassbox: $file.new: $!\n";
  print $new $text;
  close $new or die "glassbox: $file.new: $!\n";
  rename "$file.new", $file or die "glassbox: $file: $!\n";
  $written = $text;
}

sub reload {
  open my $pid, '<', "$folder/nginx.pid" or return 0; # nginx is still starting
  my $number = <$pid> // '';
  return $number =~ /^(\d+)$/ && kill HUP => $1; # requests in progress go on to their end
}

put(upstream());
exit 0 if $once;
while (1) {
  sleep 1;
  my $now = upstream();
  next if $now eq $written;
  my $before = $written;
  put($now);
  $written = $before unless reload(); # tried again a second later
}

"""`services/gateway/follow_api.pl`: nginx's list of the API's addresses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.network import free_port
from tests.support.programs.processes import ROOT
from tests.support.waiting import eventually

SCRIPT = ROOT / "services" / "gateway" / "follow_api.pl"

# A fake name server: it reads addresses, or the number of an error, from the file at $NAMES.
RESOLVER = """
package Resolver;
use Scalar::Util qw(dualvar);
use Socket qw(:addrinfo pack_sockaddr_in inet_aton);
no warnings 'redefine';
*Socket::getaddrinfo = sub {
  open my $file, '<', $ENV{NAMES} or die;
  my @words = split ' ', <$file>;
  open my $log, '>>', "$ENV{NAMES}.answered" or die;
  print $log "@words\n";
  close $log;
  return dualvar($words[0], 'error') if $words[0] =~ /^-/;
  return ('', map { { addr => pack_sockaddr_in(0, inet_aton($_)) } } @words);
};
1;
"""

# A fake nginx: it uses the addresses that the file had at its last reload, and ignores the first reloads.
NGINX = """
import http.server, re, signal, sys
folder, port, ignored = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
reloads, used = 0, ""
def load():
    global used
    used = re.search('default "(.*)"', open(f"{folder}/upstream.conf").read())[1]
def reload(*_):
    global reloads
    reloads += 1
    if reloads > ignored:
        load()
    open(f"{folder}/reloads", "w").write(f"{reloads} {used}")
class Status(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(used.encode())
load()
signal.signal(signal.SIGHUP, reload)
server = http.server.HTTPServer(("127.0.0.1", port), Status)
open(f"{folder}/nginx.pid", "w").write(f"{__import__('os').getpid()}\\n")
server.serve_forever()
"""


def follow_once(api: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, api, folder, "once"], capture_output=True, text=True, check=False)


class Gateway:
    """nginx and the script that follows the API, with a name server that a test controls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.status = free_port()
        self.environment = {
            **os.environ,
            "PERL5OPT": f"-I{folder} -MResolver",
            "NAMES": str(folder / "names"),
            "GLASSBOX_GATEWAY_STATUS": f"127.0.0.1:{self.status}",
        }
        (folder / "Resolver.pm").write_text(RESOLVER)

    def answer(self, names: str) -> None:
        """Set the name server's answer: addresses, or the number of an error."""
        (self.folder / "names.new").write_text(names)
        (self.folder / "names.new").rename(self.folder / "names")

    @contextmanager
    def running(self, *, ignored_reloads: int = 0) -> Iterator[None]:
        """Run both; yield after the first lookup."""
        subprocess.run([SCRIPT, "api:8000", self.folder, "once"], env=self.environment, check=True)
        arguments = [str(self.folder), str(self.status), str(ignored_reloads)]
        nginx = subprocess.Popen([sys.executable, "-c", NGINX, *arguments], stderr=subprocess.DEVNULL)
        script = subprocess.Popen([SCRIPT, "api:8000", self.folder], env=self.environment)
        try:
            eventually((self.folder / "nginx.pid").exists)
            yield
            assert script.poll() is None
        finally:
            for process in (script, nginx):
                process.kill()
                process.wait()

    def reloads(self) -> str:
        """Return the number of reload signals to nginx, and the addresses that it has used since then."""
        path = self.folder / "reloads"
        return path.read_text() if path.exists() else ""

    def answers(self) -> list[str]:
        """Return the name server's answers."""
        return (self.folder / "names.answered").read_text().split()

    def upstream(self) -> str:
        """Return the file that nginx reads."""
        return (self.folder / "upstream.conf").read_text()


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    gateway = Gateway(tmp_path)
    gateway.answer("10.0.0.2")
    return gateway


@pytest.mark.parametrize(
    ("api", "server", "known"),
    [
        ("127.0.0.7:8000", "127.0.0.7:8000 max_fails=2 fail_timeout=2s", "127.0.0.7:8000"),
        ("[::1]:80", "[::1]:80 max_fails=2 fail_timeout=2s", "[::1]:80"),
        ("no-such-name.invalid:8000", "127.0.0.1:8000 down", ""),
    ],
)
def test_the_script_writes_an_upstream_for_nginx(tmp_path: Path, api: str, server: str, known: str) -> None:
    done = follow_once(api, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "upstream.conf").read_text() == (
        f"upstream api {{\n  server {server};\n"
        "  keepalive 64;\n  keepalive_timeout 20s;\n}\n"
        f'map $host $api_servers {{\n  default "{known}";\n}}\n'
    )


@pytest.mark.parametrize("api", ["api", "api:http", ""])
def test_an_address_without_a_port_is_rejected_by_name(tmp_path: Path, api: str) -> None:
    done = follow_once(api, tmp_path)

    assert done.returncode != 0
    assert done.stderr == f"glassbox: GLASSBOX_API is '{api}', which is not NAME:PORT\n"


def test_nginx_reloads_once_when_the_addresses_change(gateway: Gateway) -> None:
    with gateway.running():
        gateway.answer("10.0.0.4 10.0.0.3")
        eventually(lambda: gateway.reloads() == "1 10.0.0.3:8000 10.0.0.4:8000")
        gateway.answer("10.0.0.3")
        eventually(lambda: gateway.reloads() == "2 10.0.0.3:8000")  # and no reload between the two


def test_a_reload_that_nginx_missed_is_repeated(gateway: Gateway) -> None:
    with gateway.running(ignored_reloads=1):
        gateway.answer("10.0.0.3")
        eventually(lambda: gateway.reloads() == "2 10.0.0.3:8000")


def test_a_name_server_that_does_not_respond_changes_nothing(gateway: Gateway) -> None:
    with gateway.running():
        before = gateway.upstream()
        gateway.answer("-3")  # EAI_AGAIN
        eventually(lambda: gateway.answers().count("-3") > 1)
        assert gateway.upstream() == before
        assert gateway.reloads() == ""


def test_the_addresses_of_a_removed_name_are_no_longer_used(gateway: Gateway) -> None:
    with gateway.running():
        gateway.answer("-2")  # EAI_NONAME
        eventually(lambda: gateway.reloads() == "1 ")
        assert "server 127.0.0.1:8000 down;" in gateway.upstream()


def test_a_stopped_nginx_does_not_stop_the_script(gateway: Gateway) -> None:
    with gateway.running():
        pid = int((gateway.folder / "nginx.pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        gateway.answer("10.0.0.3")
        eventually(lambda: "10.0.0.3" in gateway.upstream())
        gateway.answer("10.0.0.4")
        eventually(lambda: "10.0.0.4" in gateway.upstream())
        os.kill(pid, signal.SIGCONT)
        eventually(lambda: gateway.reloads().endswith(" 10.0.0.4:8000"))

#!/bin/sh
# The certificates service's health check: the gateway has a good certificate, according to the file that the service
# writes. At first the check waits for a certificate. Later it waits two minutes before each test, because starting a
# command in a container costs the engine far more CPU time than the test.
set -u

good_until=/tmp/good-until
was_good=/tmp/was-good # on a tmpfs, which a restart of the container clears
seconds=20             # the longest wait for the first good certificate in one check

is_good() {
  [ "$(date +%s)" -lt "$(cat "$good_until" 2>/dev/null || echo 0)" ]
}

if [ -e "$was_good" ]; then
  sleep 120
else
  while ! is_good && [ "$seconds" -gt 0 ]; do
    seconds=$((seconds - 1))
    sleep 1
  done
fi
if is_good; then
  touch "$was_good"
else
  rm -f "$was_good"
  echo "the gateway has no valid certificate for all names, or one that is about to expire: docker compose logs certificates"
  exit 1
fi

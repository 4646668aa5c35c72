#!/bin/bash
# The health check of every container: healthcheck.sh api|gateway|redis|presence [SECONDS]
# `presence` is for the workers and the courier. Exits with 1 and a reason if the container's service is not healthy.
#
# Without SECONDS it tests once. With SECONDS, the engine's health check waits for the first success, then keeps testing
# for that long and exits when the service has failed. The reason is cost: starting a command in a container takes the
# engine about 40 ms of CPU time, a test here about 1 ms (docs/adr/0022-health-checks-that-stay.md).
set -u
trap '' PIPE # a connection that the service closes is a failed test, not the end of the script

service=${1:-}
watch_seconds=${2:-0}
proc=${PROC_FOLDER:-/proc}
healthy_once=${TMPDIR:-/tmp}/healthy-once # /tmp is a tmpfs, which a restart of the container clears
present_until=${GLASSBOX_PRESENCE_FILE:-/tmp/present-until} # written by a worker that reaches Redis: worker/running/presence_file.py
start_seconds=25        # the longest wait for the first success
start_pause_seconds=0.2 # between two tests until then
pause_seconds=18        # between two tests after that, so that a failure is detected within 30 s
patience=2              # consecutive failures, a second apart, that count
answer_seconds=3        # the longest wait for an answer
if [[ $service == presence ]]; then
  pause_seconds=8 # the worker's file stays valid for another 18 s
fi

# The tests over a connection print "ok" or a reason.

# Liveness: the API itself is healthy if Redis or the volume is full. /readyz and the alerts report that.
test_api() {
  local status body
  exec 3<>"/dev/tcp/127.0.0.1/${GLASSBOX_PORT:-8000}" || return
  printf 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&3
  read -r _ status _ <&3
  [[ $status == 200 ]] && echo ok && return
  IFS= read -r -d '' body <&3 # to the end
  echo "the API answers $status: ${body##*$'\r\n\r\n'}"
}

test_gateway() {
  local status
  exec 3<>/dev/tcp/127.0.0.1/8001 || return
  printf 'GET / HTTP/1.0\r\n\r\n' >&3
  read -r _ status _ <&3
  [[ $status == 204 ]] && echo ok || echo "nginx answers $status"
}

test_redis() {
  local line
  exec 3<>/dev/tcp/127.0.0.1/6379 || return
  printf 'AUTH health none\r\nPING\r\n' >&3
  read -r line <&3 # the response to AUTH
  read -r line <&3
  [[ $line == +PONG* ]] && echo ok || echo "Redis answers $line"
}

is_answered() {
  # In a subshell, because bash cannot limit the time that a connection takes.
  if ! read -r -t "$answer_seconds" reason < <("test_$service" 2>&1); then
    kill "$!" 2>/dev/null
    reason=${reason:-no response within $answer_seconds s}
  fi
  [[ $reason == ok ]]
}

is_present() {
  local now until
  if ! read -r until 2>/dev/null <"$present_until"; then
    reason="the worker of this container has not reached Redis"
    return 1
  fi
  read -r now _ <"$proc/uptime"
  reason="the worker of this container no longer reaches Redis"
  ((${now%.*} < until))
}

# A process that a signal has stopped does no work, even if other processes respond.
all_processes_run() {
  local file line
  for file in "$proc"/[0-9]*/stat; do
    read -r line 2>/dev/null <"$file" || continue # it has ended
    if [[ ${line##*) } == T* ]]; then
      reason="the process ${line%)*}) is stopped"
      return 1
    fi
  done
}

is_healthy() {
  all_processes_run || return
  if [[ $service == presence ]]; then
    is_present
  else
    is_answered
  fi
}

pause() { # SECONDS; without starting a process
  read -r -t "$1" <&9
}

fail() {
  echo "$reason"
  exit 1
}

[[ $service =~ ^(api|gateway|redis|presence)$ ]] || { echo "usage: $0 api|gateway|redis|presence [SECONDS]"; exit 2; }
if ((watch_seconds == 0)); then
  is_healthy || fail
  exit 0
fi

exec 9<> <(:) # a pipe that never has data
if [[ ! -e $healthy_once ]]; then
  until is_healthy; do
    ((SECONDS < start_seconds)) || fail
    pause "$start_pause_seconds"
  done
  : >"$healthy_once"
  exit 0
fi
failures=0
while true; do
  if is_healthy; then
    failures=0
    left=$((watch_seconds - SECONDS))
    ((left > 0)) || exit 0
    pause "$((left < pause_seconds ? left : pause_seconds))"
  elif ((++failures < patience)); then
    pause 1
  else
    rm -f "$healthy_once" # so that the next check ends as soon as the service is healthy again
    fail
  fi
done

#!/bin/sh
# Recreates the containers of some services with the present images and Compose file, one group of services after the
# other: roll.sh "SERVICE…"…
# A group must be healthy before the next group is replaced. If one is not, the roll ends, and the later groups keep running
# as before. A service that does not run here is skipped.
set -eu

monitoring="prometheus grafana"

# Without --no-deps, although the dependencies have already run. With it, the definition that Compose stores with a container would
# lack the dependencies, so the next `docker compose up` would see a change and replace all containers at once.
up() { # OPTION… SERVICE…
  docker compose up --detach --no-build --wait "$@"
}

check_prometheus() { # in a container of the new image, so that a server that rejects its files does not replace the old one
  docker compose run --rm --no-deps --no-TTY --entrypoint promtool prometheus \
    check config /etc/prometheus/prometheus.yml >&2 </dev/null && return
  echo "glassbox: Prometheus rejects its files in services/prometheus, as printed above. Prometheus and Grafana keep running" >&2
  echo "as before; every other service is replaced. Correct the files and repeat the command." >&2
  exit 1
}

for group in "$@"; do
  running=
  scales=
  for service in $group; do
    count=$(docker compose ps --quiet "$service" | grep -c .) || continue # it does not run here
    running="$running $service"
    scales="$scales --scale $service=$count"
  done
  [ "$running" ] || continue
  echo "glassbox: rolling$running" >&2
  if [ "$group" = api ]; then
    # Start the new containers before the old ones stop, so that the API is always available. An old one completes its requests.
    before=$(docker compose ps --quiet api)
    up --no-recreate --scale "api=$((2 * count))" api
    # shellcheck disable=SC2086 # a word for each container
    docker stop $before >/dev/null
    # shellcheck disable=SC2086
    docker rm $before >/dev/null
  fi
  if [ "$group" = "$monitoring" ]; then
    case $running in *prometheus*) check_prometheus ;; esac
    # Always recreate them: the mounted files may change although the definition does not.
    # shellcheck disable=SC2086 # words, as above
    up --no-deps --force-recreate $running # Grafana depends on Prometheus, which must not start if it did not run
    continue
  fi
  # shellcheck disable=SC2086 # words, as above
  up $scales $running # a worker requeues its job before it ends
done

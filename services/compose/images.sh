# Functions about the images of a deployment, for upgrade.sh and rollback.sh.
# shellcheck shell=sh

running() { # IMAGE: print the id of the image api, worker, gateway or certificates that runs now; fail if none does
  case $1 in worker) set -- trainer classifier courier ;; esac
  for service in "$@"; do
    container=$(docker compose ps --quiet "$service" | head -n 1)
    [ "$container" ] || continue
    docker inspect --format '{{.Image}}' "$container"
    return 0
  done
  return 1
}

reference() { # IMAGE: print the reference that the Compose file gives it
  docker compose config --images | grep "/glassbox-$1:[^/]*\$" | head -n 1
}

identifier() { # REFERENCE: print the id of that image on this host; fail if it is not here
  docker image inspect --format '{{.Id}}' "$1" 2>/dev/null
}

previous() { # REFERENCE: print the name under which the image from before the last upgrade is kept
  echo "${1%:*}:previous"
}

# Recreate the services that all others depend on. In a command of its own, because Compose also recreates every service that
# depends on one that the same command recreates.
replace_dependencies() {
  docker compose create --no-build preflight secrets
}

name_revision() { # export the commit of the sources, for the labels of the images that are built and for /readyz
  [ "${GLASSBOX_REVISION:-}" ] || GLASSBOX_REVISION=$(git describe --always --abbrev=40 --dirty --exclude '*' 2>/dev/null || true)
  export GLASSBOX_REVISION
}

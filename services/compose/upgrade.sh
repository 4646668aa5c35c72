#!/bin/sh
# Upgrades the deployment to the version that is checked out, while it runs: upgrade.sh
# It pulls newer base images if it can, then builds; with GLASSBOX_IMAGES and GLASSBOX_PULL=missing it pulls and builds nothing.
# It keeps the older images as `:previous`, for rollback.sh.
set -eu

here=$(dirname "$0")
. "$here/images.sh"
. "$here/settings.sh"
workers="courier classifier trainer" # they are upgraded first: they must support every job that the new API accepts
certificates=$(docker compose ps --services | grep -x certificates || true) # exists only with GLASSBOX_DOMAIN

pull() { # WHAT COMMAND…: pull an image; an unreachable registry does not end the upgrade
  what=$1
  shift
  if ! reason=$("$@" 2>&1 >/dev/null); then
    echo "glassbox: $what cannot be pulled; this host's copy is used: $(echo "$reason" | tail -n 1)" >&2
  fi
}

before=$(for image in worker api gateway $certificates; do ! id=$(running $image) || echo "$image $id"; done)

for service in $(docker compose ps --services); do # Compose skips images that are built here, unless GLASSBOX_PULL says otherwise
  pull "the image of $service" docker compose pull --quiet "$service"
done
if docker compose config | grep -q 'pull_policy: never'; then
  for base in $(sed -n 's/^ARG [A-Z]*=\(..*\)/\1/p' "$here"/../*/Dockerfile | sort -u); do
    pull "$base" docker pull --quiet "$base"
  done
  name_revision
  docker compose build
fi

echo "$before" | while read -r image id; do
  [ "$image" ] || continue
  reference=$(reference "$image")
  new=$(identifier "$reference") || {
    echo "glassbox: $reference is neither on this host nor can it be pulled; nothing was changed" >&2
    exit 1
  }
  [ "$new" = "$id" ] || docker tag "$id" "$(previous "$reference")"
done
check_settings || {
  echo "glassbox: the new version rejects the settings, as printed above; no container was replaced" >&2
  exit 1
}
replace_dependencies
docker compose up --detach --wait redis # recreated only if its definition or its passwords changed
exec "$here/roll.sh" "$workers" api gateway "prometheus grafana" "$certificates"

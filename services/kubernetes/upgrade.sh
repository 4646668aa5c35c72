#!/bin/sh
# Brings a newer version into the cluster: upgrade.sh [KUSTOMIZATION], by default the one beside this script.
# Workers are upgraded before the API: they must support every job that the new API accepts (docs/adr/0017).
set -eu

here=$(dirname "$0")
exec "$here/roll.sh" "${1:-$here}" "courier classifier trainer" api

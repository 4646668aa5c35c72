#!/bin/sh
# Applies a kustomization in steps: roll.sh KUSTOMIZATION "COMPONENT…"…
# First everything that belongs to none of the components (settings, policies, routes), then each group of components. The
# pods of a group must be ready before the next group is applied; if they are not, the roll ends, and the later groups keep
# running as before. GLASSBOX_ROLLOUT_TIMEOUT is how long one component may take (15m).
set -eu

kustomization=$1
shift
label=app.kubernetes.io/component

list() { # WORD… as "word,word"
  echo "$*" | tr ' ' ','
}

manifests=$(mktemp)
trap 'rm -f "$manifests"' EXIT
kubectl kustomize "$kustomization" >"$manifests"
deployments=$(awk '
  /^---/ { deployment = 0 }
  /^kind: Deployment$/ { deployment = 1 }
  deployment && sub(/^    app\.kubernetes\.io\/component: /, "") { component = $0 }
  deployment && sub(/^  namespace: /, "") { print component, $0; deployment = 0 }
' "$manifests") # a line "COMPONENT NAMESPACE" for each

# What the cluster would reject is reported before anything changes.
kubectl apply --dry-run=server --filename "$manifests" >/dev/null

echo "glassbox: applying what belongs to no component" >&2
# shellcheck disable=SC2048,SC2086 # words
kubectl apply --filename "$manifests" --selector "$label notin ($(list $*))"
for group in "$@"; do
  echo "glassbox: rolling $group" >&2
  # shellcheck disable=SC2086 # words
  kubectl apply --filename "$manifests" --selector "$label in ($(list $group))"
  for component in $group; do
    namespace=$(echo "$deployments" | sed -n "s/^$component //p")
    [ "$namespace" ] || continue # the kustomization leaves it out
    kubectl --namespace "$namespace" rollout status deployment --selector "$label=$component" \
      --timeout "${GLASSBOX_ROLLOUT_TIMEOUT:-15m}" || {
      cat >&2 <<END
glassbox: $component is not ready; the components after it were not changed. Find the reason:
  kubectl --namespace $namespace describe pods --selector $label=$component
  kubectl --namespace $namespace logs --selector $label=$component --tail 50
Then repeat this command, or return to the older version with services/kubernetes/rollback.sh.
END
      exit 1
    }
  done
done

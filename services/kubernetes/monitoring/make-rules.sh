#!/bin/sh
# Writes rules.yaml, the PrometheusRule with the groups of services/prometheus/rules.yml. Kustomize cannot generate it: it
# reads only Kubernetes objects, and Prometheus accepts no other field than `groups`.
set -eu

here=$(dirname "$0")
cat >"$here/rules.yaml" <<END
# Made from services/prometheus/rules.yml by make-rules.sh: change that file and run this script.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: glassbox
  labels:
    release: kube-prometheus-stack # the label that the Prometheus selects rules by: \`ruleSelector\`
spec:
$(sed -n '/^groups:/,$ { s/^./  &/; p }' "$here/../../prometheus/rules.yml")
END

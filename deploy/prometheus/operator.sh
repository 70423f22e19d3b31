#!/bin/sh
# Print the rules and alerts as objects of the Prometheus operator:
# deploy/prometheus/operator.sh | kubectl apply -n housing -f -
set -eu
cd "$(dirname "$0")"

for each in recording alerts; do
    cat <<HEAD
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: housing-$each
  labels:
    app.kubernetes.io/part-of: housing
spec:
HEAD
    sed 's/^./  &/' "$each.yml"
done

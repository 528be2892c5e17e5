#!/bin/sh
# The preStop hook of Redis: asks the sidecar to hand over and waits until it has, $1 seconds at
# most. Always ends with 0: what follows is SIGTERM, whatever came of it.
run=${LEASEHOLD_RUN_DIR:-/run/leasehold}
tenths=$((${1:-35} * 10))
: >"$run/stop" || exit 0
while [ ! -e "$run/stopped" ] && [ "$tenths" -gt 0 ]; do
  tenths=$((tenths - 1))
  sleep 0.1
done
exit 0

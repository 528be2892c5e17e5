#!/bin/sh
# The preStop hook of Redis: asks the sidecar to hand over and waits until it has, $1 seconds at
# most. Always ends with 0: what follows is SIGTERM, whatever came of it.
run=${LEASEHOLD_RUN_DIR:-/run/leasehold}
: >"$run/stop" && read -r now _ </proc/uptime || exit 0
deadline=$((${now%.*} + ${1:-35}))
while [ ! -e "$run/stopped" ] && [ "${now%.*}" -lt "$deadline" ]; do
  sleep 0.1
  read -r now _ </proc/uptime
done
exit 0

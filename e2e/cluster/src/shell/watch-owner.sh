#!/bin/sh
# Removes the cluster when the process that it was made for is gone, however that ended.
#
# Use: watch-owner.sh PID FILE NODE MAIN, in a session of its own. FILE names the process to which
#   the cluster belongs: once that is another, or none, there is nothing left to do.
while [ "$(cat "$2" 2>/dev/null)" = "$1" ]; do
  if ! [ -d "/proc/$1" ]; then
    exec "$3" "$4" down --of "$1"
  fi
  sleep 1
done

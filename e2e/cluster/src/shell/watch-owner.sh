#!/bin/sh
# Removes the cluster when the process that it was made for is gone, however that ended.
#
# Use: watch-owner.sh PID FILE NODE MAIN, in a session of its own. FILE says that the cluster still
#   belongs to PID: without it there is nothing left to do.
while [ -e "$2" ]; do
  if ! kill -0 "$1" 2>/dev/null; then
    exec "$3" "$4" down
  fi
  sleep 1
done

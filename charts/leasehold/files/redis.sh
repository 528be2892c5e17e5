#!/bin/sh
# The guard: starts Redis, and ends it when nobody vouches for it any more.
#
# Decides: may Redis run now? Only under a readable permit that has not run out.
# Guarantees: Redis gets SIGKILL at most 0.35 s after a `lead` permit ran out, whatever state
#   sidecar and Redis are in; `exited` and `killed` are written only for a process that can run
#   no further instruction; a new Redis starts only when the one before is gone.
# Does not decide who leads, never talks to Redis, never changes the permit. It cannot help when
#   it is frozen together with Redis (docs/protocol.md, section 9), nor when it is killed without
#   the rest of its container: as PID 1 it takes Redis with it, elsewhere it does not.
#
# Use:  sh redis.sh [-- COMMAND...]
#   COMMAND must become Redis by `exec`, as docker-entrypoint.sh does. Without one it is
#   `redis-server` (or `valkey-server`) with $LEASEHOLD_RUN_DIR/redis.conf, through the image's
#   docker-entrypoint.sh if there is one.
# Environment:
#   LEASEHOLD_RUN_DIR              the tmpfs shared with the sidecar [/run/leasehold]
#   LEASEHOLD_STOP_TIMEOUT_SECONDS from SIGTERM until SIGKILL of Redis [3600: the kubelet decides]
# Files in it, one line each, ended by a newline (packages/guard/src/files.ts reads and writes):
#   permit  from the sidecar: `lead <deadline on the clock of /proc/uptime, ms> <nonce>`, or
#           `follow <nonce>`. Missing, unreadable or anything else: Redis may not run.
#   kill    from the sidecar: `<boot id> <pid>`. Ignored unless both are the current ones.
#   status  to the sidecar: `<boot id> <waiting|running|exited|killed> <pid|-> <uptime, ms>`,
#           replaced (rename) at each change, its uptime refreshed at each poll. A new boot id
#           proves all processes of older ones dead, a new pid all earlier pids.
#   stop, stopped: between preStop hook and sidecar. Those that a guard finds when it starts are of
#           a container that was restarted, and removed: the pod stays, and will be asked again.
# Signals: TERM, INT and HUP pass on as one TERM to Redis; the guard ends with it.
# Exit codes: Redis' own after a signal (0: clean), 137: had to be killed while stopping,
#   64: wrong use. Otherwise it does not end: a dead Redis is started again after 0, 1, 2, 5 s.
#
# POSIX sh, tested with dash, bash and busybox. It forks once per poll (sleep); all else is
# done by builtins, because forks are its whole cost (docs/adr/0004).
set -u

POLL_MS=250
HEALTHY_MS=30000 # a run this long starts the back-off anew
REPORT_STUCK_MS=500

run=${LEASEHOLD_RUN_DIR:-/run/leasehold}
stop_timeout=${LEASEHOLD_STOP_TIMEOUT_SECONDS:-3600}
boot=
now=0           # ms on the clock of /proc/uptime, 0 if it cannot be read
left=0          # ms until the permit runs out, 0: Redis may not run
state=waiting   # what is reported
pid=-           # of the newest Redis
alive=no        # that process exists
slain_at=       # when it got SIGKILL from here
children=       # its own children: a BGSAVE holds the clients' sockets open
code=0          # its exit code
started_at=0
deaths=0
restart_at=0
stop_at=        # when a signal came in; empty: none
stopping=no
reported=
sleeper=

say() { printf 'guard: %s\n' "$*" >&2; }

is_number() {
  case $1 in '' | *[!0-9]* | 0?* | ????????????????*) return 1 ;; esac
}

read_clock() {
  now=0
  { read -r up _ </proc/uptime; } 2>/dev/null || return
  centis=${up#*.}
  is_number "${up%.*}" && is_number "1$centis" && now=$((${up%.*} * 1000 + (1$centis - 100) * 10))
}

# Sets `left`. A file without a newline at its end is half a file.
read_permit() {
  left=0
  { read -r kind first second rest <"$run/permit"; } 2>/dev/null || return
  case $kind in
    follow) [ -n "$first" ] && [ -z "$second" ] && left=$POLL_MS ;;
    lead)
      if is_number "$first" && [ -n "$second" ] && [ -z "$rest" ]; then left=$((first - now)); fi
      ;;
  esac
  if [ "$now" -eq 0 ] || [ "$left" -lt 0 ]; then left=0; fi
}

# A zombie answers `kill -0`, so the state in /proc decides. Sets `children` while it lives.
look_at_redis() {
  alive=no
  if { read -r stat <"/proc/$pid/stat"; } 2>/dev/null; then
    case ${stat##*) } in [ZX]*) return ;; esac
  else
    kill -0 "$pid" 2>/dev/null || return
  fi
  alive=yes
  { read -r children <"/proc/$pid/task/$pid/children"; } 2>/dev/null
}

kill_wanted() {
  { read -r kill_boot kill_pid rest <"$run/kill"; } 2>/dev/null || return
  [ "$kill_boot" = "$boot" ] && [ "$kill_pid" = "$pid" ] && [ -z "$rest" ]
}

slay() {
  kill -9 "$pid" 2>/dev/null
  slain_at=$now
  say "killed Redis $pid: $1"
}

start_redis() {
  "$@" &
  pid=$!
  alive=yes state=running started_at=$now slain_at='' children=''
  say "started Redis $pid: $*"
}

# Redis is gone: claims its exit code, ends its children and sets the time of the next start.
bury() {
  wait "$pid"
  code=$?
  # shellcheck disable=SC2086 # none, one or several pids
  [ -z "$children" ] || kill -9 $children 2>/dev/null
  [ $((now - started_at)) -lt $HEALTHY_MS ] || deaths=0
  case $deaths in 0) delay=0 ;; 1) delay=1000 ;; 2) delay=2000 ;; *) delay=5000 ;; esac
  deaths=$((deaths + 1))
  restart_at=$((now + delay))
  if [ -n "$slain_at" ]; then state=killed; else state=exited; fi
  say "Redis $pid is gone, exit code $code; the next may start in $delay ms"
}

watch_redis() {
  look_at_redis
  if [ $alive = no ]; then
    bury
  elif [ -n "$slain_at" ]; then
    # Stuck in the kernel: it will not return to its own code.
    [ $((now - slain_at)) -lt $REPORT_STUCK_MS ] || state=killed
  elif [ $left -eq 0 ]; then
    slay "no permit that holds"
  elif kill_wanted; then
    slay "the sidecar asked for it"
    : >"$run/kill"
  elif [ $stopping = asked ]; then
    kill -TERM "$pid"
    stopping=yes stop_at=$now
  elif [ $stopping = yes ] && [ $((now - stop_at)) -ge $((stop_timeout * 1000)) ]; then
    slay "still there $stop_timeout s after SIGTERM"
  fi
}

# A change is renamed into place, since it may be a proof. Between changes only the digits of the
# uptime are written over, all of them in one call.
report() {
  line="$boot $state $pid $now"
  if [ "$reported" = "$state $pid" ]; then
    printf '%-79s\n' "$line" 1<>"$run/status"
  else
    printf '%-79s\n' "$line" >"$run/status.tmp" && mv -f "$run/status.tmp" "$run/status" &&
      reported="$state $pid"
  fi
}

# Until the next poll; less if the permit runs out before it, or something is about to happen.
pause() {
  ms=$POLL_MS
  [ "$left" -gt 0 ] && [ "$left" -lt $ms ] && ms=$left
  if [ $alive = no ]; then
    [ "$left" -gt 0 ] && [ "$now" -ge "$restart_at" ] && ms=20
  elif [ $stopping = yes ] || { [ -n "$slain_at" ] && [ $state = running ]; }; then
    ms=20
  fi
  ms=$((1000 + ms))
  sleep "0.${ms#1}" &
  sleeper=$!
  wait "$sleeper"
}

case ${1-} in --) shift ;; esac
if [ $# -eq 0 ]; then
  server=redis-server
  command -v $server >/dev/null 2>&1 || server=valkey-server
  set -- $server "$run/redis.conf"
  ! command -v docker-entrypoint.sh >/dev/null 2>&1 || set -- docker-entrypoint.sh "$@"
fi
if ! [ -d "$run" ] || ! [ -w "$run" ]; then
  say "LEASEHOLD_RUN_DIR: $run is not a directory that I can write to; mount the shared volume"
  exit 64
fi
if ! is_number "$stop_timeout"; then
  say "LEASEHOLD_STOP_TIMEOUT_SECONDS: $stop_timeout is not a number of seconds"
  exit 64
fi
read -r boot </proc/sys/kernel/random/uuid || exit 64
rm -f "$run/stop" "$run/stopped"
trap '[ $stopping = yes ] || stopping=asked' TERM INT HUP

while :; do
  read_clock
  read_permit
  if [ $alive = yes ]; then
    watch_redis
  elif [ $stopping = no ] && [ "$left" -gt 0 ] && [ "$now" -ge "$restart_at" ]; then
    start_redis "$@"
  fi
  report
  [ $alive = yes ] || [ $stopping = no ] || break
  pause
done
kill "$sleeper" 2>/dev/null
exit $code

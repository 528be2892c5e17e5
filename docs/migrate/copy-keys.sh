#!/bin/sh
# Copies every key of a Redis into a Leasehold group, or into any other Redis, and compares.
#
# Stop the source's writers first: what is written meanwhile may be missing, and is reported.
# The source is only read; MIGRATE … COPY in the source's server sends the keys, in batches, with
# their expiry. So the source's server must reach the target, and the target must speak without TLS.
#
#   SOURCE_HOST=… SOURCE_PASSWORD=… TARGET_HOST=… TARGET_PASSWORD=… sh copy-keys.sh
#
# Variables (passwords are never arguments of a program):
#   SOURCE_HOST SOURCE_PORT SOURCE_USER SOURCE_PASSWORD    the old primary
#   SENTINEL_HOST SENTINEL_PORT SENTINEL_MASTER            instead of SOURCE_HOST: who knows it
#   TARGET_HOST TARGET_PORT TARGET_USER TARGET_PASSWORD    the write address
#   SOURCE_OPTIONS     further options of redis-cli for the source, such as `--tls --cacert ca.crt`
#   BATCH=2000         keys sent at once; fewer for great values
#   TIMEOUT_MS=30000   of one batch
#   SAMPLE=20          keys of each database that are compared whole
#   FAIL_LIMIT=10      gives up after that many failed keys
#   REPLACE=no         yes: the target may hold keys; keys of the same name are replaced
#
# Exit codes: 0 all keys copied and equal, 1 some are not (each is named), 2 nothing was copied.
# Needs sh, sed, sort, paste, cksum and redis-cli 4 or newer; the source must be Redis 4.0.7 or newer.
set -eu
export LC_ALL=C

SOURCE_PORT=${SOURCE_PORT:-6379} SOURCE_USER=${SOURCE_USER:-} SOURCE_PASSWORD=${SOURCE_PASSWORD:-}
TARGET_PORT=${TARGET_PORT:-6379} TARGET_USER=${TARGET_USER:-} TARGET_PASSWORD=${TARGET_PASSWORD:-}
SOURCE_OPTIONS=${SOURCE_OPTIONS:-} BATCH=${BATCH:-2000} TIMEOUT_MS=${TIMEOUT_MS:-30000}
SAMPLE=${SAMPLE:-20} FAIL_LIMIT=${FAIL_LIMIT:-10} REPLACE=${REPLACE:-no}
copied=0 failed=0 unequal=0

say() { printf '%s\n' "$*"; }
stop() {
  printf 'copy-keys: %s\n' "$2" >&2
  exit "$1"
}

# Keys and values stay as redis-cli quotes them, so any bytes are safe. Commands come from stdin.
ask() {
  password=$1 user=$2
  shift 2
  if [ -n "$password" ]; then
    REDISCLI_AUTH=$password redis-cli --no-raw ${user:+--user "$user"} "$@" 2>&1
  else
    redis-cli --no-raw "$@" 2>&1
  fi | sed '/^([0-9.]*s)$/d' # how long a slow command took
}
# shellcheck disable=SC2086 # options are words
source_db() { db_=$1 && shift && ask "$SOURCE_PASSWORD" "$SOURCE_USER" -h "$SOURCE_HOST" -p "$SOURCE_PORT" -n "$db_" $SOURCE_OPTIONS "$@"; }
target_db() { db_=$1 && shift && ask "$TARGET_PASSWORD" "$TARGET_USER" -h "$TARGET_HOST" -p "$TARGET_PORT" -n "$db_" "$@"; }

# One field of INFO: info source memory maxmemory
info() { "$1_db" 0 INFO "$2" | tr -d '\r' | sed -n "s/^$3://p"; }
number() { sed -n 's/^(integer) //p'; }
quoted() { printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')"; }

find_source() {
  if [ -n "${SENTINEL_HOST:-}" ]; then
    found=$(ask "$SOURCE_PASSWORD" "" -h "$SENTINEL_HOST" -p "${SENTINEL_PORT:-26379}" \
      SENTINEL get-master-addr-by-name "${SENTINEL_MASTER:-mymaster}") || true
    SOURCE_HOST=$(say "$found" | sed -n 's/^1) "\(.*\)"$/\1/p')
    SOURCE_PORT=$(say "$found" | sed -n 's/^2) "\(.*\)"$/\1/p')
    [ -n "$SOURCE_HOST" ] || stop 2 "the Sentinel $SENTINEL_HOST names no master: $found"
  fi
  [ -n "${SOURCE_HOST:-}" ] || stop 2 "SOURCE_HOST is missing: where the old primary is."
  [ -n "${TARGET_HOST:-}" ] || stop 2 "TARGET_HOST is missing: the write address of the group."
}

check_end() { # source|target host:port
  answer=$("$1_db" 0 PING) || true
  [ "$answer" = PONG ] || stop 2 "the $1 $2 does not let us in: check its address and password. It says: $answer"
  role=$(info "$1" replication role)
  [ "$role" = master ] || stop 2 "the $1 $2 is a ${role:-server without INFO}: name the primary."
}

check_room() {
  held=$(target_db 0 INFO keyspace | sed -n 's/^db\([0-9]*\):.*/\1/p' | paste -s -d ' ' -)
  if [ -n "$held" ] && [ "$REPLACE" != yes ]; then
    stop 2 "the target holds keys already, in database $held: empty it with FLUSHALL, or set REPLACE=yes."
  fi
  need=$(info source memory used_memory_dataset)
  room=$(info target memory maxmemory)
  if [ "${room:-0}" -gt 0 ] && [ "${need:-0}" -gt "$room" ]; then
    stop 2 "the source's data take $need bytes, maxmemory of the target is $room: raise resources.limits.memory."
  fi
}

# Reads keys, one a line; $1: database. Prints Redis' answer. The password passes through a pipe.
migrate() {
  if [ -z "$TARGET_PASSWORD" ]; then
    login=''
  elif [ -z "$TARGET_USER" ]; then
    login="AUTH $(quoted "$TARGET_PASSWORD")"
  else
    login="AUTH2 $(quoted "$TARGET_USER") $(quoted "$TARGET_PASSWORD")"
  fi
  printf 'MIGRATE %s %s "" %s %s COPY REPLACE %s KEYS %s\n' "$(quoted "$TARGET_HOST")" \
    "$TARGET_PORT" "$1" "$TIMEOUT_MS" "$login" "$(tr '\n' ' ')" | source_db "$1"
}

# $1: database, $2: keys. A batch that failed is sent again key by key, so that each one is named.
copy_batch() {
  count=$(say "$2" | wc -l)
  answer=$(say "$2" | migrate "$1")
  case $answer in
    OK) copied=$((copied + count)) && return ;;
    NOKEY) return ;;
  esac
  while IFS= read -r key; do
    answer=$(say "$key" | migrate "$1")
    case $answer in
      OK) copied=$((copied + 1)) ;;
      NOKEY) ;;
      *)
        failed=$((failed + 1))
        say "database $1, key $key: $answer"
        [ "$failed" -lt "$FAIL_LIMIT" ] || stop 1 "gave up after $failed failed keys, $copied were copied."
        ;;
    esac
  done <<KEYS
$2
KEYS
}

copy_db() {
  cursor=0
  while :; do
    page=$(source_db "$1" SCAN "$cursor" COUNT "$BATCH")
    cursor=$(say "$page" | sed -n '1s/^1) "\([0-9]*\)"$/\1/p')
    [ -n "$cursor" ] || stop 1 "database $1 cannot be read to its end, $copied keys were copied. The source says: $page"
    keys=$(say "$page" | sed -n '2,$s/^[^"]*\(".*"\)$/\1/p')
    [ -z "$keys" ] || copy_batch "$1" "$keys"
    [ "$cursor" != 0 ] || return 0
  done
}

# What a key holds, independent of the order in which a server keeps it: content source 0 hash key
content() {
  case $3 in
    string) printf 'GET %s\n' "$4" | "$1_db" "$2" ;;
    list) printf 'LRANGE %s 0 -1\n' "$4" | "$1_db" "$2" ;;
    set) printf 'SMEMBERS %s\n' "$4" | "$1_db" "$2" | sed 's/^[^"]*//' | sort ;;
    hash) printf 'HGETALL %s\n' "$4" | "$1_db" "$2" | sed 's/^[^"]*//' | paste -d ' ' - - | sort ;;
    zset) printf 'ZRANGE %s 0 -1 WITHSCORES\n' "$4" | "$1_db" "$2" ;;
    stream) printf 'XRANGE %s - +\nXINFO GROUPS %s\n' "$4" "$4" | "$1_db" "$2" ;;
    *) printf 'DUMP %s\n' "$4" | "$1_db" "$2" ;;
  esac | cksum
}
expiry() { printf 'PTTL %s\n' "$3" | "$1_db" "$2" | number; }

compare_key() { # database key
  type=$(printf 'TYPE %s\n' "$2" | source_db "$1" | tr -d '"')
  [ "$type" != none ] || return 0
  before=$(expiry source "$1" "$2")
  after=$(expiry target "$1" "$2")
  # Gone on both sides, or by a hair.
  if [ "$before" -ge 0 ] && [ "$before" -lt 5000 ]; then return 0; fi
  difference=$((before - after))
  if [ "$(content source "$1" "$type" "$2")" != "$(content target "$1" "$type" "$2")" ] ||
    [ "${difference#-}" -gt 5000 ]; then
    unequal=$((unequal + 1))
    say "database $1, key $2 ($type): not equal; expiry $before ms at the source, $after ms at the target"
  fi
}

compare_db() {
  sample=$(i=0 && while [ "$i" -lt "$SAMPLE" ]; do say RANDOMKEY && i=$((i + 1)); done | source_db "$1" | sort -u)
  while IFS= read -r key; do
    case $key in \"*) compare_key "$1" "$key" ;; esac
  done <<KEYS
$sample
KEYS
  tries=0
  [ "$failed" = 0 ] || tries=5
  while :; do
    ours=$(source_db "$1" DBSIZE | number) theirs=$(target_db "$1" DBSIZE | number)
    ours=${ours:-0} theirs=${theirs:-0}
    if [ "$ours" = "$theirs" ] || [ "$tries" -ge 5 ]; then break; fi
    if [ "$ours" -lt "$theirs" ] && [ "$REPLACE" = yes ]; then break; fi
    # Keys that ran out are removed by each server in its own time.
    tries=$((tries + 1)) && sleep 1
  done
  say "database $1: $ours keys at the source, $theirs at the target"
  if [ "$ours" -gt "$theirs" ] || { [ "$ours" -lt "$theirs" ] && [ "$REPLACE" != yes ]; }; then
    unequal=$((unequal + 1))
  fi
}

find_source
check_end source "$SOURCE_HOST:$SOURCE_PORT"
check_end target "$TARGET_HOST:$TARGET_PORT"
check_room
changes=$(info source persistence rdb_changes_since_last_save)
databases=$(source_db 0 INFO keyspace | sed -n 's/^db\([0-9]*\):.*/\1/p')
began=$(date +%s)
for db in $databases; do copy_db "$db"; done
say "$copied keys copied, $failed failed, in $(($(date +%s) - began)) s"
for db in $databases; do compare_db "$db"; done
later=$(info source persistence rdb_changes_since_last_save)
if [ "$later" -gt "$changes" ] || { [ "$later" -lt "$changes" ] && [ "$later" -gt 0 ]; }; then
  stop 1 "the source was written to meanwhile: stop its writers, empty the target with FLUSHALL and copy again."
fi
if [ "$failed" -gt 0 ] || [ "$unequal" -gt 0 ]; then
  stop 1 "$failed keys failed, $unequal comparisons differ: do not move the applications."
fi
say "All equal."

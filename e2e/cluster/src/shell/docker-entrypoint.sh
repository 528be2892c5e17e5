#!/bin/sh
# What the official images of Redis and Valkey do before they start the server, as far as it can be
# seen from outside: options and configuration files are arguments of the server; as root it gives
# /data to the server's user and becomes that user; files are the server's own.
# @engine@ is "redis" or "valkey".
set -e
case ${1-} in -* | *.conf) set -- @engine@-server "$@" ;; esac
if [ "$1" = @engine@-server ] && [ "$(id -u)" = 0 ]; then
  find . ! -user @engine@ -exec chown @engine@ {} +
  exec setpriv --reuid=@engine@ --regid=@engine@ --clear-groups -- "$0" "$@"
fi
if [ "$(umask)" = 0022 ]; then umask 0077; fi
exec "$@"

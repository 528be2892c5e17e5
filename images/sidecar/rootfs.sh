#!/bin/sh
# Fills a folder with all that the sidecar's image holds: Node, the libraries that it links to, the
# bundles of the sidecar and of the command line. No shell, no package manager.
#
# Use: rootfs.sh ROOTFS NODE SIDECAR.mjs LEASEHOLD.mjs
# The Dockerfile and the tests' images are both made by this, so that they hold the same.
set -eu
rootfs=$1 node=$2 sidecar=$3 cli=$4

for folder in bin sbin lib lib64; do
  mkdir -p "$rootfs/usr/$folder"
  ln -s usr/$folder "$rootfs/$folder"
done
mkdir -p "$rootfs/etc" "$rootfs/opt/leasehold" "$rootfs/tmp"
chmod 1777 "$rootfs/tmp"

install -m 755 "$node" "$rootfs/usr/bin/node"
# Lines "name => /path (address)", and "/path (address)" for the loader.
ldd "$node" | sed -n 's/.*[[:space:]]\(\/[^ ]*\) (0x.*/\1/p' | while read -r library; do
  mkdir -p "$rootfs${library%/*}"
  install -m 755 "$library" "$rootfs$library"
done

install -m 644 "$sidecar" "$rootfs/opt/leasehold/leasehold-sidecar.mjs"
# The image has no /usr/bin/env to find Node by.
sed '1s|^#!.*|#!/usr/bin/node|' "$cli" >"$rootfs/opt/leasehold/leasehold.mjs"
chmod 755 "$rootfs/opt/leasehold/leasehold.mjs"
ln -s ../../opt/leasehold/leasehold.mjs "$rootfs/usr/bin/leasehold"

cat >"$rootfs/etc/passwd" <<'END'
root:x:0:0:root:/root:/usr/sbin/nologin
leasehold:x:999:999::/tmp:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
END
printf 'root:x:0:\nleasehold:x:999:\nnogroup:x:65534:\n' >"$rootfs/etc/group"
printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$rootfs/etc/nsswitch.conf"

#!/bin/sh
# PID 1 of a node. Makes the machine's root look like the node's own, then keeps its daemons up.
#
# Use: node-init.sh NAME ADDRESS NODE BIN, in fresh namespaces and in the node's control groups.
#   NODE/disk is what the node keeps over a power loss; NODE/cgroups, NODE/*.yaml and the like are
#   written by src/node.ts. Nothing is written outside NODE.
set -eu
name=$1 address=$2 node=/run/leasehold/node bin=/run/leasehold/bin

hostname "$name"
mount -t proc proc /proc
umount -R /sys
mount -t sysfs sysfs /sys
while read -r type point options; do
  mkdir -p "$point"
  mount -t "$type" ${options:+-o "$options"} "$type" "$point"
done <"$3/cgroups"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  # Version 2: a group either holds processes or hands controllers on.
  mkdir -p /sys/fs/cgroup/init
  echo 1 >/sys/fs/cgroup/init/cgroup.procs
  sed 's/[^ ]\+/+&/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
fi

# /run, /var/lib and /var/log are the node's own; binaries and disk are reached through /run.
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir -p /mnt/leasehold/node /mnt/leasehold/bin /mnt/netns /mnt/lock
mount --bind "$3" /mnt/leasehold/node
mount --bind "$4" /mnt/leasehold/bin
# -n: its table of mounts would be in the /run that is gone.
mount -n --move /mnt /run
for folder in /var/lib /var/log; do mount -t tmpfs -o mode=755 tmpfs $folder; done
for folder in /var/lib/containerd /var/lib/kubelet /var/lib/cni /var/lib/volumes \
  /var/log/pods /var/log/containers; do
  mkdir -p $folder $node/disk$folder
  mount --bind $node/disk$folder $folder
done

# A kubelet insists on setting these for the whole machine: it gets files of its own instead.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1; do
  file=$node/sysctl/${setting%=*}
  mkdir -p "${file%/*}"
  echo "${setting#*=}" >"$file"
  mount --bind "$file" "/proc/sys/${setting%=*}"
done

# One identity per node and one per boot: kubelet reports both, and a new boot is an Event.
[ -s $node/disk/machine-id ] || tr -d - </proc/sys/kernel/random/uuid >$node/disk/machine-id
mkdir -p /var/lib/dbus
cp $node/disk/machine-id /var/lib/dbus/machine-id
[ ! -e /etc/machine-id ] || mount --bind $node/disk/machine-id /etc/machine-id
cat /proc/sys/kernel/random/uuid >$node/boot-id
mount --bind $node/boot-id /proc/sys/kernel/random/boot_id

mount --make-rshared /
echo 1 >/proc/sys/net/ipv4/ip_forward
export PATH=$bin:/usr/sbin:/usr/bin:/sbin:/bin

keep() {
  daemon=$1
  while :; do
    "$@" >>"$node/$daemon.log" 2>&1 || true
    sleep 1
  done
}
keep containerd --config $node/containerd.toml &
until [ -S /run/containerd/containerd.sock ]; do sleep 0.05; done
keep kube-proxy --config=$node/kube-proxy.yaml --hostname-override="$name" &
keep kubelet --config=$node/kubelet.yaml --kubeconfig=$node/kubelet.kubeconfig \
  --hostname-override="$name" --node-ip="$address" --root-dir=/var/lib/kubelet \
  --node-labels="topology.kubernetes.io/zone=zone-$name" &
while :; do wait || true; done

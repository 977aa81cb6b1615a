#!/bin/sh
# First process of the guest: mounts, modules, network, then scripts from the host until it hangs up.
# The host sends the length of a script in bytes, a newline and the script; the answer is the exit
# status, the length of the output, a newline and the output.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
busybox mount -t proc proc /proc
busybox --install -s /usr/bin
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /run/lock/iscsi
fail() { echo "guest: $*"; busybox poweroff -f; exit 1; }
while read -r m; do insmod "$m" || fail "cannot load $m"; done < /etc/modules

n=0 port=
until [ -n "$port" ]; do
	for p in /sys/class/virtio-ports/*; do
		[ -e "$p/name" ] && [ "$(cat "$p/name")" = goscst ] && [ -c "/dev/${p##*/}" ] && port=/dev/${p##*/}
	done
	n=$((n + 1))
	[ $n -lt 200 ] || fail "no port to the host"
	[ -n "$port" ] || usleep 20000
done
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0 || fail "no network"
ip link set eth0 up
hostname guest

exec 3<>"$port"
echo "0 0" >&3
while read -r length <&3; do
	head -c "$length" <&3 > /tmp/.script
	sh /tmp/.script > /tmp/.output 2>&1 < /dev/null 3<&-
	echo "$? $(stat -c %s /tmp/.output)" >&3
	cat /tmp/.output >&3
done
poweroff -f

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs in the guest, as its first process: every case of cases.py, then what a table cannot say. Prints TAP.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
if [ ! -e /pivoted ]; then
	# A container's root cannot be pivoted to from the initial file system.
	mkdir /r
	mount --rbind / /r
	cd /r || exit 1
	touch /r/pivoted
	mount --move . /
	exec chroot . /bin/sh /guest.sh
fi

n=0
ok() { n=$((n + 1)); echo "ok $n $1"; }
bad() { n=$((n + 1)); echo "not ok $n $1"; sed 's/^/# /' "$2"; }

# is NAME FILE PATTERN...: every pattern found in FILE (with "!": not found)
is() {
	name=$1 file=$2
	shift 2
	for p; do
		case $p in
		!*) if grep -qE -e "${p#!}" "$file"; then echo "must not match: ${p#!}" >>"$file"; bad "$name" "$file"; return; fi ;;
		*) if ! grep -qE -e "$p" "$file"; then echo "must match: $p" >>"$file"; bad "$name" "$file"; return; fi ;;
		esac
	done
	ok "$name"
}

# What a container may leave: nothing.
remains() {
	ls /run/runtime 2>/dev/null
	ls -d /sys/fs/cgroup/docker/*/ 2>/dev/null
	wc -l </proc/self/mountinfo
	ps | grep -c '\[\|Z' >/dev/null
}

case_run() {
	d=$1 name=${1#/t/}
	rm -rf /rootfs/made /rootfs/x
	# Descriptor 7 is a directory of the node's, left open by a careless caller.
	timeout 20 runtime run --bundle "$d" box >/run/out 2>&1 </dev/null 7</
	st=$?
	want=$(cat "$d/status")
	if [ "$st" != "$want" ]; then
		echo "status $st, expected $want" >>/run/out
		bad "$name" /run/out
		return
	fi
	remains >/run/after
	if ! cmp -s /run/before /run/after; then
		echo "left behind:" >>/run/out
		cat /run/after >>/run/out
		bad "$name" /run/out
		return
	fi
	set --
	while read -r line; do set -- "$@" "$line"; done <"$d/expect"
	is "$name" /run/out "$@"
}

# Material: roots with traps, a volume, a network namespace with a mark in it.
mkdir -p /vol/sub /real /rootfs/home/user
mount -t tmpfs tmpfs /vol/sub
echo volume >/vol/file
cp /bin/busybox /vol/true
chown 100000:100000 /vol/file
chown 1000:1000 /rootfs/home/user
chmod 700 /rootfs/home/user
mkdir -p /rootfs/real
ln -s /real /rootfs/link-abs
ln -s /nowhere/yet /rootfs/link-dangling
ln -s link-loop /rootfs/link-loop
printf 'garbage' >/rootfs/bin/garbage
chmod 755 /rootfs/bin/garbage
cp -a /rootfs /rootfs-devlink
rm -rf /rootfs-devlink/dev
mkdir /rootfs-devlink/elsewhere
ln -s elsewhere /rootfs-devlink/dev
cp -a /rootfs /rootfs-conslink
mkdir -p /rootfs-conslink/elsewhere /rootfs-conslink/dev/pts
ln -s /elsewhere/target /rootfs-conslink/dev/console
cp -a /rootfs /rootfs-proclink
rm -rf /rootfs-proclink/proc
mkdir /rootfs-proclink/p
ln -s p /rootfs-proclink/proc
cp -a /rootfs /rootfs100000
chown -R 100000:100000 /rootfs100000
cp /hook /rootfs/bin/hook
mkdir -p /owned/below /secret /shared /rootfs/full/deep/er
mount -t tmpfs tmpfs /owned
mkdir /owned/below
mount -t tmpfs tmpfs /owned/below
touch /owned/mine /owned/below/mine
ln -s mine /owned/link
echo open >/secret/open
chmod 700 /secret
mount -t tmpfs tmpfs /shared
mount --make-shared /shared
echo deep >/rootfs/full/deep/er/f
ln -s /etc/shadow /rootfs/full/link
cp /bin/busybox /rootfs/full/prog
chown 7:8 /rootfs/full/prog
chmod 750 /rootfs/full
# A user namespace with 65536 ids from 100000 on, kept by a mount.
touch /run/userns
mkfifo /run/mapped
unshare -U sh -c 'read x </run/mapped' &
while [ "$(readlink /proc/$!/ns/user)" = "$(readlink /proc/self/ns/user)" ]; do sleep 0.05; done
echo '0 100000 65536' >/proc/$!/uid_map
echo '0 100000 65536' >/proc/$!/gid_map
mount --bind /proc/$!/ns/user /run/userns
echo >/run/mapped
wait
touch /run/netns
unshare -n sh -c 'ip link add marker type dummy 2>/dev/null || ip link set lo name marker; mount --bind /proc/self/ns/net /run/netns' ||
	unshare -n sh -c 'ip link set lo name marker; sleep 100000 & echo $! >/run/netpid'
# Weights of a device are there once its cost is counted.
echo '8:0 enable=1' >/sys/fs/cgroup/io.cost.qos
mkdir -p /run/runtime
# One container lives all the while. Else the kernel would patch its check of devices in and out with each container, which
# an emulator's second processor now and then takes for a broken instruction.
runtime run -d --bundle /t-flow/keeper keeper >/dev/null 2>&1 </dev/null
runtime run --bundle /t/true box >/run/out 2>&1
runtime list -q >/dev/null
remains >/run/before

for d in /t/*; do
	case_run "$d"
done

[ -e /cases-only ] || . /flows.sh
echo "1..$n"
echo o >/proc/sysrq-trigger
sleep 60

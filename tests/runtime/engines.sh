#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs in the guest, as its first process: Podman, containerd and Docker, unmodified, with our runtime. Prints TAP.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
# What Debian's packages here lack (grep, sed, tar), busybox has.
mkdir /applets
busybox --install -s /applets
PATH=$PATH:/applets
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /root
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /var/tmp
# Engines refuse to manage groups beside processes.
mkdir /sys/fs/cgroup/guest
echo $$ >/sys/fs/cgroup/guest/cgroup.procs
echo '+cpu +cpuset +io +memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
busybox ip link set lo up
mkdir -p /etc/containers /vol
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json
echo 'containers:100000:65536' >/etc/subuid
cp /etc/subuid /etc/subgid
echo volume >/vol/file

n=0
out=/tmp/out
ok() { n=$((n + 1)); echo "ok $n $1"; }
bad() { n=$((n + 1)); echo "not ok $n $1"; sed 's/^/# /' $out; }

# is NAME STATUS PATTERN COMMAND...: its exit status, and an output line that matches
is() {
	local name=$1 want=$2 pattern=$3 st
	shift 3
	timeout 90 "$@" >$out 2>&1 </dev/null
	st=$?
	if [ $st != "$want" ]; then
		echo "status $st, expected $want: $*" >>$out
		bad "$name"
	elif [ "$pattern" ] && ! grep -qE -e "$pattern" $out; then
		echo "must match: $pattern: $*" >>$out
		bad "$name"
	else
		ok "$name"
	fi
}

await() {
	for _ in $(seq 300); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.2
	done
	return 1
}

# What an engine leaves behind in the runtime's hands: nothing.
left() {
	is "$1-leaves-no-group" 0 '' bash -c "! cat /sys/fs/cgroup/$2/*/cgroup.procs 2>/dev/null | grep -q ."
	is "$1-leaves-no-state" 0 '^$' bash -c "ls $3 2>/dev/null; echo"
}

echo "# $(podman --version); $(containerd --version); $(dockerd --version)"

# ---- Podman, beside the others: these programs are what takes the time
P="podman --runtime /bin/runtime --cgroup-manager cgroupfs --events-backend file --log-level error"
chmod 644 /image/etc/passwd
tar -C /image -c . >/tmp/box.tar
is podman-import 0 . $P import -q /tmp/box.tar localhost/box
is podman-save 0 '' $P save -q --format docker-archive -o /tmp/box-image.tar localhost/box

podman_steps() {
	out=/tmp/out.podman
	is podman-run 0 '^hello$' $P run --rm --network none localhost/box echo hello
	is podman-status 42 '' $P run --rm --network none localhost/box sh -c 'exit 42'
	is podman-not-found 127 'executable file' $P run --rm --network none localhost/box nosuch
	is podman-not-executable 126 'permission denied' $P run --rm --network none localhost/box /etc/passwd
	is podman-tty 0 '/dev/pts/0' script -qec "$P run --rm -t --network none localhost/box tty" /dev/null
	is podman-limits 0 '^67108864$' $P run --rm --network none -m 64m --pids-limit 20 localhost/box cat /sys/fs/cgroup/memory.max
	is podman-user 0 'uid=1000.*gid=1000' $P run --rm --network none -u 1000:1000 localhost/box id
	is podman-caps 0 'CapEff:.0000000000000001' $P run --rm --network none --cap-drop all --cap-add chown localhost/box grep CapEff /proc/self/status
	is podman-read-only 1 'Read-only' $P run --rm --network none --read-only localhost/box touch /x
	is podman-tmpfs-copy-up 0 '^volume$' $P run --rm --network none --tmpfs /stuff localhost/box cat /stuff/file
	is podman-volume 0 '^volume$' $P run --rm --network none -v /vol:/a:ro localhost/box cat /a/file
	is podman-volume-rro 1 'Read-only' $P run --rm --network none --mount type=bind,src=/vol,dst=/a,ro localhost/box touch /a/x
	is podman-device 0 '^c' $P run --rm --network none --device /dev/vda:/dev/disk:r localhost/box sh -c 'stat -c %F /dev/disk; echo c'
	is podman-sysctl 0 '^5$' $P run --rm --network none --sysctl net.core.somaxconn=5 localhost/box cat /proc/sys/net/core/somaxconn
	is podman-privileged 0 '^ok$' $P run --rm --network none --privileged localhost/box sh -c 'mount -t tmpfs t /mnt && echo ok'
	is podman-userns 0 '100000' $P run --rm --network none --uidmap 0:100000:65536 --gidmap 0:100000:65536 localhost/box cat /proc/self/uid_map
	is podman-userns-auto 0 '^0$' $P run --rm --network none --userns auto:size=65536 localhost/box id -u
	is podman-idmap 0 '^0$' $P run --rm --network none --uidmap 0:100000:65536 --gidmap 0:100000:65536 -v /vol:/a:idmap localhost/box stat -c %u /a/file
	is podman-detached 0 . $P run -d --name a --network none localhost/box sh -c 'echo started; trap "exit 9" TERM; while :; do sleep 0.1; done'
	is podman-exec 7 '^in$' $P exec a sh -c 'echo in; exit 7'
	is podman-exec-tty 0 '/dev/pts' script -qec "$P exec -t a tty" /dev/null
	is podman-exec-user 0 'uid=5' $P exec -u 5 -w /tmp -e A=b a id
	is podman-logs 0 '^started$' $P logs a
	is podman-top 0 'sh' $P top a
	is podman-stats 0 '^a ' $P stats --no-stream --format '{{.Name}} {{.MemUsage}}' a
	is podman-pause 0 . $P pause a
	is podman-paused 0 paused $P inspect --format '{{.State.Status}}' a
	is podman-unpause 0 . $P unpause a
	is podman-update 0 . $P update -m 50m a
	is podman-updated 0 '^52428800$' $P exec a cat /sys/fs/cgroup/memory.max
	is podman-ps 0 'Up' $P ps
	is podman-stop 0 a $P stop -t 20 a
	is podman-exit-code 0 '^9$' $P inspect --format '{{.State.ExitCode}}' a
	is podman-restart 0 a $P restart -t 0 a
	is podman-kill 0 a $P kill a
	is podman-rm 0 a $P rm -f a
	is podman-pod 0 . $P pod create --name p --network none --infra-image localhost/box --infra-command '/bin/sleep 10000'
	is podman-pod-first 0 . $P run -d --pod p --name p1 localhost/box sleep 1000
	is podman-pod-shares 0 '^same$' bash -c "[ \"\$($P exec p1 readlink /proc/self/ns/net)\" = \"\$($P run --rm --pod p localhost/box readlink /proc/self/ns/net)\" ] && echo same"
	is podman-pod-stop 0 . $P pod stop -t 1 p
	is podman-pod-rm 0 . $P pod rm -f p
	is podman-pod-userns 0 . $P pod create --name u --network none --userns auto:size=65536 --infra-image localhost/box --infra-command '/bin/sleep 10000'
	is podman-pod-userns-run 0 '^ *0 ' $P run --rm --pod u localhost/box cat /proc/self/uid_map
	is podman-pod-userns-rm 0 . $P pod rm -f -t 0 u
	is podman-hooks 0 '^prestart' bash -c "mkdir -p /hooks && cp /hook.json /hooks/ && $P --hooks-dir /hooks run --rm --network none --annotation hook=yes localhost/box true; cat /run/hook.out"
	left podman libpod_parent /run/runtime
}
podman_steps >/tmp/podman.tap &
podman_steps=$!

# ---- containerd
containerd >/run/containerd.log 2>&1 &
await ctr version || cat /run/containerd.log
C="--runc-binary /bin/runtime"
is ctr-import 0 unpacking ctr image import /tmp/box-image.tar
is ctr-run 0 '^hello$' ctr run --rm $C localhost/box:latest c1 echo hello
is ctr-status 42 '' ctr run --rm $C localhost/box:latest c2 sh -c 'exit 42'
is ctr-not-found 1 'executable file not found' ctr run --rm $C localhost/box:latest c3 nosuch
is ctr-tty 0 '/dev/pts/0' script -qec "ctr run --rm -t $C localhost/box:latest c4 tty" /dev/null
is ctr-seccomp 0 'Seccomp:.2' ctr run --rm $C --seccomp localhost/box:latest c5 grep Seccomp: /proc/self/status
is ctr-detached 0 '' ctr run -d $C --memory-limit 67108864 localhost/box:latest c7 sleep 1000
is ctr-limits 0 '^67108864$' cat /sys/fs/cgroup/default/c7/memory.max
is ctr-exec 7 '^in$' ctr task exec --exec-id e1 c7 sh -c 'echo in; exit 7'
is ctr-ps 0 '^[0-9]+' ctr task ps c7
is ctr-metrics 0 'memory' ctr task metrics c7
is ctr-pause 0 '' ctr task pause c7
is ctr-paused 0 'PAUSED' ctr task ls
is ctr-resume 0 '' ctr task resume c7
is ctr-kill 0 '' ctr task kill -s KILL c7
is ctr-delete 0 '' bash -c 'for i in $(seq 50); do ctr task ls | grep -q STOPPED && break; sleep 0.2; done; ctr task rm c7; ctr c rm c7'
left ctr default /run/containerd/runc/default

# ---- Docker
dockerd --add-runtime wherry=/bin/runtime --default-runtime wherry --bridge none --iptables=false --ip6tables=false \
	--exec-opt native.cgroupdriver=cgroupfs --containerd /run/containerd/containerd.sock >/run/dockerd.log 2>&1 &
await docker version || cat /run/dockerd.log
is docker-runtime 0 '^wherry$' docker info --format '{{.DefaultRuntime}}'
is docker-load 0 'Loaded' docker load -i /tmp/box-image.tar
is docker-run 0 '^hello$' docker run --rm --network none localhost/box echo hello
is docker-status 42 '' docker run --rm --network none localhost/box sh -c 'exit 42'
is docker-not-found 127 'executable file not found' docker run --rm --network none localhost/box nosuch
is docker-not-executable 126 'permission denied' docker run --rm --network none localhost/box /etc/passwd
is docker-tty 0 '/dev/pts/0' script -qec 'docker run --rm -t --network none localhost/box tty' /dev/null
is docker-limits 0 '^67108864$' docker run --rm --network none -m 64m --cpus 0.5 --pids-limit 50 localhost/box cat /sys/fs/cgroup/memory.max
is docker-userns-host 0 '^0$' docker run --rm --network none --userns host localhost/box id -u
is docker-init 0 '^ok$' docker run --rm --network none --init localhost/box echo ok
is docker-read-only 1 'Read-only' docker run --rm --network none --read-only --tmpfs /t localhost/box touch /x
is docker-rro 1 'Read-only' docker run --rm --network none --mount type=bind,src=/vol,dst=/a,readonly localhost/box touch /a/x
is docker-detached 0 . docker run -d --name dd --network none localhost/box sh -c 'echo started; trap "exit 9" TERM; while :; do sleep 0.1; done'
is docker-exec 7 '^in$' docker exec dd sh -c 'echo in; exit 7'
is docker-exec-tty 0 '/dev/pts' script -qec 'docker exec -t dd tty' /dev/null
is docker-top 0 'sleep|sh' docker top dd
is docker-stats 0 '^dd ' docker stats --no-stream --format '{{.Name}} {{.MemUsage}}'
is docker-update 0 d docker update -m 50m --memory-swap 50m dd
is docker-updated 0 '^52428800$' docker exec dd cat /sys/fs/cgroup/memory.max
is docker-pause 0 d docker pause dd
is docker-unpause 0 d docker unpause dd
is docker-logs 0 started docker logs dd
is docker-stop 0 d docker stop -t 20 dd
is docker-exit-code 0 '^9$' docker inspect --format '{{.State.ExitCode}}' dd
is docker-start 0 d docker start dd
is docker-rm 0 d docker rm -f dd
left docker docker /run/containerd/runc/moby

# ---- the listener of a filter that notifies; a caller that wants pidfds; a user namespace that is joined
is seccomp-notify 0 '^answered uname metadata=M container=notified$' python3 /listener.py
is pidfd-socket 0 '^pidfds of create, run and exec$' python3 /pidfd.py
is userns-join-limits 0 '^joined: 4096 -500$' python3 /joined.py

wait $podman_steps
cat /tmp/podman.tap
n=$((n + $(grep -cE '^(not )?ok ' /tmp/podman.tap)))
echo "1..$n"
sync
echo o >/proc/sysrq-trigger
sleep 60

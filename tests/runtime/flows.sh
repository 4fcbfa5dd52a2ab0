# SPDX-License-Identifier: Apache-2.0
# Sequences of commands: what a row of cases.py cannot hold. Sourced by guest.sh.

flow() { : >/run/out; }
try() { echo "+ $*" >>/run/out; timeout 20 "$@" >>/run/out 2>&1; echo "= $?" >>/run/out; }
stopped() {
	for _ in $(seq 200); do
		runtime state "$1" | grep -q '"stopped"' && return
		sleep 0.1
	done
}

flow
try runtime create --bundle /t-flow/sleep --pid-file /run/pid c1
try runtime state c1
try runtime start c1
try runtime state c1
try runtime start c1
try runtime create --bundle /t-flow/sleep c1
try runtime delete c1
try runtime ps --format json c1
try runtime ps c1 -o pid,args
try runtime ps c1 -o args
try runtime list
try runtime pause c1
try runtime state c1
try runtime exec c1 true
try runtime resume c1
try runtime exec c1 sh -c 'echo in $0 $(hostname) $(id -u); exit 5'
try runtime exec -u 1000:1000 -e A=B --cwd /tmp c1 sh -c 'id; pwd; echo A=$A; grep Cap /proc/self/status'
try runtime exec c1 nosuch
try runtime exec --cwd /missing/cwd c1 sh -c 'echo made $PWD'
try runtime exec -u 0x0 c1 true
try runtime exec --process /t-flow/process.json c1
try runtime exec -d --pid-file /run/exec.pid c1 sh -c 'sleep 60'
try runtime update --memory 67108864 --pids-limit 50 c1
try cat /sys/fs/cgroup/docker/box/memory.max /sys/fs/cgroup/docker/box/pids.max
try runtime events --stats c1
try runtime kill c1 KILL
stopped c1
try runtime state c1
try runtime kill c1
try runtime delete c1
try runtime delete c1
try runtime delete --force c1
is lifecycle /run/out '"status": "created"' '"status": "running"' '"status": "paused"' '"status": "stopped"' \
	'cannot start a container in the running state' 'container with given ID already exists' \
	'cannot delete container c1 that is not stopped: running' '^ *PID ' 'leave the column PID out' '^\[[0-9]+\]$' '^c1 .*running' 'cannot exec in a paused' \
	'^in sh box 0$' '^= 5$' '^uid=1000' '^A=B$' '^/tmp$' '^CapEff:.0000000000000000' \
	'exec: "nosuch": executable file not found in \$PATH' '/missing/cwd: no such file' '!^made' 'UID or UID:GID, in digits' '^process json 42$' \
	'^67108864$' '^50$' '"type":"stats"' 'container not running' 'container does not exist: c1'
remains >/run/after
if cmp -s /run/before /run/after; then ok lifecycle-clean; else bad lifecycle-clean /run/after; fi

flow
try runtime create --bundle /t-flow/sleep c2
try runtime kill c2 KILL
stopped c2
try runtime start c2
try runtime delete c2
is start-dead /run/out 'cannot start a container that has stopped'

flow
mkdir /run/lock-test
try runtime --root /run/lock-test create --bundle /t-flow/sleep c3
try runtime --root /run/lock-test --log /run/log --log-format json start nope
cat /run/log >>/run/out
try runtime --root /run/lock-test delete --force c3
try runtime --systemd-cgroup list
try runtime checkpoint c3
try runtime pause absent
try runtime update --resources - absent
try runtime run --bundle /t-flow/sleep '../x'
is errors /run/out '"level":"error","msg":"container does not exist: nope"' 'there is no systemd' 'does not checkpoint' \
	'invalid container ID' 'pause failed: container does not exist: absent' 'update failed: container does not exist: absent'
rm -rf /run/lock-test

flow
printf 'in=' >/run/out
echo hello | timeout 20 runtime run --bundle /t-flow/cat c4 >>/run/out 2>&1
echo "= $?" >>/run/out
is stdin /run/out '^in=hello$' '^= 0$'

flow
try sh -c 'runtime run --preserve-fds 1 --bundle /t-flow/fds c5 3</etc/passwd'
try sh -c 'runtime run --preserve-fds 2 --bundle /t-flow/fds c5 3</etc/passwd'
is preserve-fds /run/out '3 -> ' 'descriptor 4 is not open'

flow
try runtime run -d --bundle /t-flow/sleep c6
mkdir -p /sys/fs/cgroup/docker/box/child
try runtime exec c6 sh -c 'sleep 50 & sleep 50 & true'
try runtime delete --force c6
try ls /sys/fs/cgroup/docker
is force-delete-nested /run/out '!^box'

flow
try runtime features
try runtime spec --bundle /run
try runtime --version
try cat /run/config.json
is features /run/out '"ociVersionMin"' '"idmap"' 'runtime version' '"noNewPrivileges": true'

# Terminal: run in the foreground passes bytes and the exit status through a pty of the container's.
flow
try runtime run --bundle /t-flow/tty c7
is terminal /run/out '/dev/pts/0' '^= 3' '30 100'

# init of the guest is a shell, so nothing answers on the control socket.
flow
try runtime create --supervise container/x --bundle /t-flow/sleep c8
try runtime list -q
is supervise-without-init /run/out 'reach init' '!^c8'

# At its gate the container's first process still is the runtime: what /proc/PID/exe leads to cannot be written, not even by
# those who may open it: truncation is tried, as the rest would be refused as busy. And what is in its memory is nobody's: it is
# undumpable, so that its files in proc are root's and not its user's.
flow
try runtime create --bundle /t-flow/user --pid-file /run/pid gate
try grep ^Uid /proc/$(cat /run/pid)/status
try stat -c 'owner %u' /proc/$(cat /run/pid)/maps
try sh -c 'true >/proc/$(cat /run/pid)/exe'
try runtime delete --force gate
is CVE-2019-5736-write /run/out '^Uid:.1000' '^owner 0$' '(Read-only file system|Operation not permitted)' '!busy'

# A limit below what is in use is refused when that is asked for, and the one before stays.
group=/sys/fs/cgroup/docker/box
flow
try runtime run -d --bundle /t-flow/sleep c9
echo '{"memory":{"limit":4096,"swap":4096,"checkBeforeUpdate":true}}' >/run/limits
try runtime update --resources /run/limits c9
try cat $group/memory.max
echo '{"memory":{"limit":117440512,"swap":117440512,"checkBeforeUpdate":true}}' >/run/limits
try runtime update --resources /run/limits c9
try cat $group/memory.max
is check-before-update /run/out 'memory.limit 4096 is below what is in use, [1-9][0-9]* bytes' '^134217728$' '^117440512$'

# Sizes have units, as runc takes them; what cgroup v2 has not is refused by name, or ignored aloud where runc does so.
flow
try runtime update --memory 96M --memory-swap 96MiB --memory-reservation 0.5m c9
try cat $group/memory.max $group/memory.low
is update-sizes /run/out '^100663296$' '^524288$' '!failed'
flow
try runtime update --kernel-memory 1M --kernel-memory-tcp 1M --pids-limit 41 c9
try cat $group/pids.max
is update-ignored /run/out '--kernel-memory is ignored: cgroup v2' '--kernel-memory-tcp is ignored: cgroup v2' '^= 0$' '^41$' '!failed'
flow
try runtime update --memory 64x c9
try runtime update --pids-limit 1k c9
try runtime update --cpu-rt-period 1000 c9
try runtime update --cpu-rt-runtime 1000 c9
try runtime update --l3-cache-schema L3:0=f c9
try runtime update --mem-bw-schema MB:0=50 c9
try runtime delete --force c9
is update-refused /run/out '--memory needs a size, as 67108864 or 64M, not 64x' '--pids-limit needs a number, not 1k' \
	'realtimePeriod: cgroup v2 has no realtime limits' 'realtimeRuntime: cgroup v2 has no realtime limits' \
	'--l3-cache-schema: this runtime does not drive Intel RDT' '--mem-bw-schema: this runtime does not drive Intel RDT' '!unknown option'

# The configuration under another name, as crun has it.
flow
mkdir -p /run/configs
cp /t-flow/fds/config.json /run/configs/other.json
try runtime run --bundle /run/configs --config other.json c10
is config-name /run/out ' 0 -> ' '^= 0$'
flow
try runtime run --bundle /run/configs c10
try runtime create -f none.json --bundle /run/configs c10
is config-missing /run/out 'run failed: open config.json: no such file' 'create failed: open none.json: no such file' '!^= 0$'

# pidfd.py has what a socket receives; one that is not there is refused before anything is made.
flow
try runtime create --pidfd-socket /run/none --bundle /t-flow/sleep c11
try runtime run -d --pidfd-socket /run/none --bundle /t-flow/sleep c11
try runtime list -q
try runtime run -d --bundle /t-flow/sleep c12
try runtime exec --pidfd-socket /run/none c12 echo ran
try runtime delete --force c12
is pidfd-socket-missing /run/out 'create failed: connect to pidfd socket /run/none: no such file' \
	'run failed: connect to pidfd socket /run/none: no such file' 'exec failed: connect to pidfd socket' '!^c11' '!^ran'

# Processors of exec, not of the container: the first ones it has from its birth, whatever the container's group allows; the
# last ones hold for the program.
flow
try runtime run -d --bundle /t-flow/cpus --pid-file /run/pid c13
try sh -c 'echo container $(grep Cpus_allowed_list /proc/$(cat /run/pid)/status)'
try runtime exec c13 sh -c 'echo program $(grep Cpus_allowed_list /proc/self/status)'
try runtime delete --force c13
try runtime run -d --bundle /t-flow/pinned c13
try runtime exec c13 sh -c 'echo pinned $(grep Cpus_allowed_list /proc/self/status)'
try runtime delete --force c13
is exec-cpu-affinity /run/out '^container Cpus_allowed_list: 0-1$' '^program Cpus_allowed_list: 1$' '^pinned Cpus_allowed_list: 0$'
remains >/run/after
if cmp -s /run/before /run/after; then ok flows-clean; else bad flows-clean /run/after; fi

#!/usr/bin/env bash
# A SLURM of one node, for tests: its files are in one folder, with a link to them in /etc/slurm while it runs.
#   one-node.sh install [accounting]        Debian's packages, as root; nothing when they are there
#   one-node.sh start FOLDER [accounting]   starts it
#   one-node.sh stop FOLDER                 stops it and all that it started
set -euo pipefail
action=${1:?install, start or stop}
system_conf=/etc/slurm/slurm.conf

# how often something is looked at, every fifth of a second, before it counts as hung: ten minutes, for a busy machine
patience=3000

say() { echo "one-node SLURM: $*" >&2; }

install() {
    local packages=()
    command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v munged >/dev/null \
        || packages=(slurmctld slurmd slurm-client munge)
    if [ "${1:-}" = accounting ] && ! { command -v slurmdbd && command -v mariadbd; } >/dev/null; then
        packages+=(slurmdbd mariadb-server)
    fi
    [ "${#packages[@]}" = 0 ] && return
    command -v apt-get >/dev/null || { say "no SLURM here, and no apt-get to install it"; return 1; }
    [ "$(id -u)" = 0 ] || { say "no SLURM here, and only root can install it"; return 1; }
    # the packages must not start their services: this one is nobody's cluster
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null 2>&1 \
        || { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null 2>&1; } \
        || { say "apt-get cannot install ${packages[*]}"; return 1; }
}

configure() {
    local host memory storage=accounting_storage/none
    host=$(hostname -s)
    memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
    [ "$accounting" = accounting ] && storage=accounting_storage/slurmdbd
    mkdir -p "$folder"/{state,spool,run}
    # The accounting client takes its munge socket from AccountingStoragePass.
    # KillWait: seconds from SIGTERM to SIGKILL at the walltime. MinJobAge: how long squeue knows a finished job.
    cat >"$folder/slurm.conf" <<CONF
ClusterName=eolitest
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/run/munge.socket
CryptoType=crypto/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/run/slurmctld.pid
SlurmdPidFile=$folder/run/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
KillWait=5
MinJobAge=3600
AccountingStorageType=$storage
AccountingStorageHost=127.0.0.1
AccountingStoragePass=$folder/run/munge.socket
AccountingStoragePort=16819
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 RealMemory=$memory
PartitionName=main Nodes=$host Default=YES MaxTime=1-0 DefMemPerCPU=500 State=UP
CONF
}

start_munge() {
    # munged wants a key and a socket that are its own
    dd if=/dev/urandom of="$folder/munge.key" bs=1024 count=1 status=none
    chmod 0600 "$folder/munge.key"
    chmod 0755 "$folder" "$folder/run"
    munged --key-file "$folder/munge.key" --socket "$folder/run/munge.socket" --pid-file "$folder/run/munged.pid" \
        --log-file "$folder/munged.log" --seed-file "$folder/munge.seed" --force 2>>"$folder/start.log"
}

start_accounting() {
    mariadb-install-db --user=mysql --datadir="$folder/mariadb" --auth-root-authentication-method=socket \
        >>"$folder/start.log" 2>&1
    mariadbd --no-defaults --user=mysql --datadir="$folder/mariadb" --socket="$folder/mariadb/socket" \
        --skip-networking \
        --pid-file="$folder/mariadb/mariadbd.pid" >>"$folder/mariadb.log" 2>&1 &
    echo $! >"$folder/run/mariadbd.pid"
    wait_for "the database" mariadb-admin --no-defaults --socket="$folder/mariadb/socket" ping
    mariadb --no-defaults --socket="$folder/mariadb/socket" \
        -e "CREATE DATABASE slurm; CREATE USER slurm@localhost IDENTIFIED BY 'slurm';" \
        -e "GRANT ALL ON slurm.* TO slurm@localhost"
    (
        umask 077 # slurmdbd reads no file that others may read
        cat >"$folder/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$folder/run/munge.socket
DbdHost=localhost
DbdPort=16819
SlurmUser=root
PidFile=$folder/run/slurmdbd.pid
LogFile=$folder/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
CONF
    )
    # slurmdbd looks for its file beside slurm.conf; the library of the client reads the socket from the environment
    SLURM_CONF=$folder/slurm.conf MYSQL_UNIX_PORT="$folder/mariadb/socket" slurmdbd 2>>"$folder/start.log"
    wait_for "slurmdbd" sacctmgr -i add cluster eolitest
    sacctmgr -i add account default >>"$folder/start.log"
    sacctmgr -i add user root account=default >>"$folder/start.log"
}

wait_for() {
    local what=$1
    shift
    for _ in $(seq "$patience"); do
        "$@" >>"$folder/start.log" 2>&1 && return
        sleep 0.2
    done
    say "$what does not answer; see $folder/*.log"
    return 1
}

is_idle() { sinfo -h -o %T | grep -qx idle; }

start() {
    if [ -e "$system_conf" ] || [ -L "$system_conf" ]; then
        say "this machine has a SLURM already: $system_conf"
        return 1
    fi
    configure
    # not by SLURM_CONF: Snakemake's executor takes that out of the environment of a job
    mkdir -p "$(dirname "$system_conf")"
    ln -s "$folder/slurm.conf" "$system_conf"
    start_munge
    [ "$accounting" = accounting ] && start_accounting
    slurmctld 2>>"$folder/start.log"
    slurmd -N "$(hostname -s)" 2>>"$folder/start.log"
    wait_for "the node" is_idle
}

stop() {
    local file pid
    if [ -f "$folder/run/slurmctld.pid" ]; then
        scancel --state=PENDING --user=root 2>/dev/null || true
        scancel --signal=KILL --full --user=root 2>/dev/null || true
        scancel --user=root 2>/dev/null || true
        for _ in $(seq "$patience"); do [ -z "$(squeue -h -t R,CG 2>/dev/null)" ] && break || sleep 0.2; done
    fi
    for name in slurmd slurmctld slurmdbd mariadbd munged; do
        file=$folder/run/$name.pid
        [ -f "$file" ] || continue
        pid=$(cat "$file")
        kill "$pid" 2>/dev/null || continue
        for _ in $(seq "$patience"); do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done
        kill -KILL "$pid" 2>/dev/null || true
    done
    # its own link only
    [ "$(readlink "$system_conf")" = "$folder/slurm.conf" ] && rm "$system_conf"
    return 0
}

case $action in
    install) install "${2:-}" ;;
    start | stop)
        folder=$(realpath -m "${2:?the folder of the cluster}")
        accounting=${3:-}
        "$action"
        ;;
    *) say "$action is not known; allowed: install, start, stop"; exit 2 ;;
esac

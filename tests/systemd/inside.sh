#!/bin/sh
# Runs in the container that prove.sh boots; one line per proof, the last line is the result.
url=http://127.0.0.1:9527
data=/var/lib/hyphad
dropin=/run/systemd/system/hyphad.service.d

fail() {
  echo "FAILED: $1"
  systemctl status hyphad --no-pager --full
  journalctl -u hyphad --no-pager | tail -60
  echo "RESULT failed"
  exit 1
}

prove() { # prove WHAT COMMAND...
  what=$1
  shift
  "$@" >/dev/null 2>&1 || fail "$what"
  echo "proved: $what"
}

show() { systemctl show --property="$1" --value hyphad; }
is() { [ "$(show "$1")" = "$2" ]; }
healthy() { curl -sf --max-time 5 "${1:-$url}/health/readiness" | grep -q OK; }
logged() { journalctl -u hyphad --output=cat "$@"; }

soon() { # soon COMMAND...: true within 30 s
  for _ in $(seq 150); do
    if "$@"; then return 0; fi
    sleep 0.2
  done
  return 1
}

override() { # override LINE...: a drop-in with these lines in [Service]; none removes it
  rm -rf "$dropin"
  if [ $# -gt 0 ]; then
    mkdir -p "$dropin"
    { echo "[Service]"; printf '%s\n' "$@"; } >"$dropin/proof.conf"
  fi
  systemctl daemon-reload
}

# start

prove "systemctl start waits until hyphad is ready" systemctl start hyphad
prove "GET /health/readiness answers at once" healthy
prove "systemctl status shows what hyphad says of itself" \
  sh -c "systemctl status hyphad --no-pager | grep -q 'Status: \"Serving http'"
prove "notifications are taken from the main process" is NotifyAccess main
prove "the watchdog allows 30 s" is WatchdogUSec 30s
prove "the watchdog has heard of hyphad" test "$(show WatchdogTimestampMonotonic)" -gt 0
pid=$(show MainPID)
user=$(stat -c %u "/proc/$pid")
prove "it runs as a dynamic user ($user), not as root" test "$user" -ge 61184
prove "it has no capability" grep -q '^CapBnd:.0*$' "/proc/$pid/status"
prove "system calls are filtered" grep -q '^Seccomp:.2$' "/proc/$pid/status"

# state

prove "$data leads to /var/lib/private/hyphad" \
  test "$(readlink -f $data)" = /var/lib/private/hyphad
prove "the data directory is private (0700) and its own" \
  test "$(stat -c '%a %u' $data/)" = "700 $user"
prove "the database is there and private (0600)" test "$(stat -c %a $data/hyphad.db)" = 600
prove "the keys are there and private (0700, 0600)" \
  test "$(stat -c %a $data/keys $data/keys/jwt-keys.json | tr '\n' ' ')" = "700 600 "
keys=$(sha256sum $data/keys/jwt-keys.json)

# journal

sees_listening() { logged -p info..info | grep -q '^hyphad.daemon.process hyphad listening on'; }
prove "the journal knows the level of a line, which has no time of its own" sees_listening

# reload

echo 'log_level = "debug"' >/etc/hyphad/hyphad.toml
has_reloaded() { logged | grep -q 'reloaded log_level=debug'; }
prove "systemctl reload works" systemctl reload hyphad
prove "a reload reads the configuration file anew" soon has_reloaded
prove "a reload keeps the process" is MainPID "$pid"
prove "and is over" soon is ActiveState active
prove "and clients are served" healthy

# restart, crash, hang

prove "systemctl restart works" systemctl restart hyphad
prove "with a new process" test "$(show MainPID)" != "$pid"
prove "which serves" healthy
prove "with the same keys" test "$(sha256sum $data/keys/jwt-keys.json)" = "$keys"

replaced() { [ "$(show MainPID)" != "$1" ] && is ActiveState active && healthy; }
killed=$(show MainPID)
kill -KILL "$killed"
prove "after kill -9 it comes back" soon replaced "$killed"

override WatchdogSec=2
prove "it starts with another watchdog" systemctl restart hyphad
hung=$(show MainPID)
sleep 5
prove "its signs of life keep it alive" is MainPID "$hung"
kill -STOP "$hung"
prove "a process that hangs is replaced" soon replaced "$hung"
prove "because of the watchdog" sh -c "journalctl -u hyphad | grep -q 'Watchdog timeout'"

# credentials and wrong settings

umask 077
head -c 48 /dev/urandom | base64 --wrap=0 >/etc/hyphad/root_token
override LoadCredential=root_token:/etc/hyphad/root_token
prove "a root token in a credential is taken" systemctl restart hyphad
prove "and serves" healthy
echo weak >/etc/hyphad/root_token
ends_with() { [ "$(show ExecMainStatus)" = "$1" ]; }
refused_weak() { ends_with 3 && logged | grep -q 'Root token must be at least 32 characters'; }
systemctl restart hyphad 2>/dev/null
prove "a weak one is refused with exit code 3 and a line that says why" soon refused_weak
override
systemctl stop hyphad

echo 'prot = 1' >/etc/hyphad/hyphad.toml
chmod 644 /etc/hyphad/hyphad.toml
systemctl start hyphad 2>/dev/null
prove "wrong settings end it with exit code 2" ends_with 2
prove "and are not tried again" is ActiveState failed
prove "and the journal says what to do" sh -c "journalctl -u hyphad | grep -q \"did you mean 'port'\""
rm /etc/hyphad/hyphad.toml

# what the head of the unit promises

mkdir -p /home/lab
chmod 755 /home/lab
echo 'async def start(server): print("startup function ran", flush=True)' >/home/lab/start.py
chmod 644 /home/lab/start.py
override ProtectHome=read-only "Environment=HYPHAD_STARTUP_FUNCTIONS=/home/lab/start.py:start" \
  PrivateUsers=no AmbientCapabilities=CAP_NET_BIND_SERVICE \
  CapabilityBoundingSet=CAP_NET_BIND_SERVICE Environment=HYPHAD_PORT=80
has_run() { logged | grep -q 'startup function ran'; }
prove "it starts with less protection" systemctl start hyphad
prove "and then can have a port below 1024" healthy http://127.0.0.1:80
prove "and code in /home" soon has_run
systemctl stop hyphad
override

# stop

prove "it starts again as it was" systemctl start hyphad
prove "systemctl stop works" systemctl stop hyphad
prove "it ended by itself, with exit code 0" test "$(show Result) $(show ExecMainStatus)" = "success 0"
prove "the database was closed" test ! -e /var/lib/private/hyphad/hyphad.db-wal
prove "hyphad check agrees, run as root" \
  env STATE_DIRECTORY=$data /opt/hyphad/bin/hyphad check

# installed by one command, twice, with a socket, and taken away

hyphad=/opt/hyphad/bin/hyphad
units=/etc/systemd/system
rm -f $units/hyphad.service
systemctl daemon-reload
$hyphad install-service --dry-run >/dev/null
prove "install-service --dry-run changes nothing" test ! -e $units/hyphad.service
prove "install-service --socket --fixed-user works" $hyphad install-service --socket --fixed-user
prove "systemd holds the port" systemctl is-active hyphad.socket
prove "and starts hyphad when somebody comes" soon healthy
prove "there is a user hyphad that stays" getent passwd hyphad
prove "and hyphad runs as that one" \
  test "$(stat -c %U "/proc/$(show MainPID)")" = hyphad
before=$(show MainPID)
sums() { sha256sum $units/hyphad.* /etc/hyphad/* /etc/sysusers.d/hyphad.conf /etc/tmpfiles.d/hyphad.conf; }
once=$(sums)
prove "install-service again works" $hyphad install-service --socket --fixed-user
prove "changes no file" test "$(sums)" = "$once"
prove "and does not restart hyphad" test "$(show MainPID)" = "$before"
asks() { # asks: for 6 s, without a pause; fails at the first refused connection
  end=$(($(date +%s) + 6))
  while [ "$(date +%s)" -lt $end ]; do
    curl -s --max-time 20 -o /dev/null $url/health/liveness || return 1
  done
}
asks &
asking=$!
systemctl restart hyphad
systemctl restart hyphad
prove "two restarts refuse nobody: connections wait in the socket" wait $asking
prove "install-service --uninstall works" $hyphad install-service --uninstall
gone() { ! systemctl is-active hyphad hyphad.socket && [ ! -e $units/hyphad.service ]; }
prove "and takes service and socket away" gone
prove "but not the data and the settings" test -e $data/hyphad.db -a -e /etc/hyphad/hyphad.toml
prove "and again works" $hyphad install-service --uninstall
echo "RESULT proved"

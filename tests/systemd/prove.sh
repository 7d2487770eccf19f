#!/usr/bin/env bash
# Proves the unit under a real systemd: a Debian tree is booted in a container, hyphad is installed
# in it as the README says, and systemctl start, status, reload, restart and stop are tried.
# As root: tests/systemd/prove.sh [FOLDER]. FOLDER keeps the tree for the next run.
set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
tree=${1:-$(mktemp -d)}/bookworm
name=hyphad-proof-$$
packages=systemd,systemd-sysv,dbus,python3,python3-venv,curl,ca-certificates

for tool in debootstrap systemd-nspawn; do
  command -v "$tool" >/dev/null || { echo "needs $tool (apt-get install debootstrap systemd-container)"; exit 2; }
done
[ -x "$tree/usr/bin/systemctl" ] || debootstrap --variant=minbase --include="$packages" bookworm "$tree" >/dev/null
echo "proved: a Debian tree stands in place"

# The wheels are made outside, so that the container needs no network.
wheels=$(mktemp -d)
python3 -m venv "$wheels/venv"
version=$(chroot "$tree" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$wheels/venv/bin/pip" -q wheel --no-deps -w "$wheels/all" "$here"
"$wheels/venv/bin/pip" -q download --only-binary=:all: --python-version "$version" -d "$wheels/all" "$wheels"/all/hyphad-*.whl
mkdir -p "$tree/opt/wheels"
cp "$wheels"/all/*.whl "$tree/opt/wheels/"
rm -rf "$wheels" "$tree/opt/hyphad"
chroot "$tree" python3 -m venv /opt/hyphad
chroot "$tree" /opt/hyphad/bin/pip -q install --no-index --find-links /opt/wheels --force-reinstall hyphad
cp "$here/hyphad.service" "$tree/etc/systemd/system/"
echo "proved: hyphad installs into /opt/hyphad"

cat > "$tree/usr/local/bin/proof" <<'P'
#!/bin/sh
# Runs inside, once the system has booted; its output goes to /proof.log and the last line decides.
exec > /proof.log 2>&1
check() { if "$@" >/dev/null 2>&1; then echo "proved: $*"; else echo "FAILED: $*"; systemctl status hyphad --no-pager -l; journalctl -u hyphad --no-pager | tail -40; echo "RESULT failed"; systemctl poweroff; exit 1; fi; }
health() { curl -sf http://127.0.0.1:9527/health/readiness | grep -q '"status":"OK"'; }
check systemctl start hyphad
check systemctl is-active hyphad
check health
pid=$(systemctl show -p MainPID --value hyphad)
echo "status: $(systemctl show -p StatusText --value hyphad)"
check test "$(systemctl show -p NotifyAccess --value hyphad)" = main
check test "$(systemctl show -p WatchdogUSec --value hyphad)" = 30s
check test -n "$(systemctl show -p WatchdogTimestamp --value hyphad)"
check test -f /var/lib/private/hyphad/hyphad.db
check test "$(stat -c %a /var/lib/private/hyphad/keys)" = 700
check test "$(stat -c %u /proc/$pid)" != 0
check systemctl reload hyphad
check test "$(systemctl show -p MainPID --value hyphad)" = "$pid"
check health
check systemctl restart hyphad
check health
check test "$(systemctl show -p MainPID --value hyphad)" != "$pid"
kill -9 "$(systemctl show -p MainPID --value hyphad)"; sleep 4
check systemctl is-active hyphad
check health
check systemctl stop hyphad
check test "$(systemctl show -p Result --value hyphad)" = success
check test "$(systemctl show -p ExecMainStatus --value hyphad)" = 0
systemd-analyze security hyphad 2>/dev/null | tail -1
echo "RESULT proved"
systemctl poweroff
P
chmod +x "$tree/usr/local/bin/proof"
cat > "$tree/etc/systemd/system/proof.service" <<'P'
[Unit]
After=multi-user.target
[Service]
Type=simple
ExecStart=/usr/local/bin/proof
[Install]
WantedBy=default.target
P
ln -sf /etc/systemd/system/proof.service "$tree/etc/systemd/system/multi-user.target.wants/proof.service"
rm -f "$tree/proof.log"; rm -rf "$tree/var/lib/private/hyphad"

timeout 180 systemd-nspawn --quiet --register=no --keep-unit --machine="$name" -D "$tree" -b --private-network >/dev/null || true
cat "$tree/proof.log"
grep -q "^RESULT proved" "$tree/proof.log"

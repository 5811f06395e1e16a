#!/bin/sh
# Installs pbt-server on Debian 12 or 13 (Ubuntu 24.04 works alike, and is untested), and takes it away again:
#
#   sudo sh install.sh [--dry-run] [--base-domain NAME] [--email ADDRESS] pbt-server-VERSION.tgz
#   sudo sh install.sh [--dry-run] --back
#   sudo sh install.sh [--dry-run] --uninstall
#
# It says each thing that it does. Run again, it does what is missing and leaves the rest: settings and data are never written over. With
# another tarball it upgrades: a backup, the program, the units, a restart without a failed request. --back goes back, without a registry.
# shellcheck disable=SC2015,SC2086
set -eu; umask 022

BASE_DOMAIN='' EMAIL='' TARBALL='' DRY_RUN='' UNINSTALL='' BACK='' CHANGED=''
PREFIX=/usr/local PACKAGE=@pbt-tunnel/server
PROGRAM=$PREFIX/lib/node_modules/$PACKAGE UNITS='pbt-server.service pbt-server.socket'
SETTINGS=/etc/pbt-server/server.yaml SYSCTL=/etc/sysctl.d/60-pbt-server.conf NFTABLES=/etc/nftables.d/pbt-server.nft PORTS=20000-40000
# The tarballs of what is installed and of what was before, which is kept whole; and what is not yet installed.
KEPT=$PREFIX/lib/pbt-server STAGE=$PREFIX/lib/pbt-server/stage PREVIOUS=$PREFIX/lib/pbt-server/previous BACKUPS=/var/backups

say() { echo "install: $*"; }
fail() { echo "install: $1" >&2; echo "  $2" >&2; exit 1; }
run() { # says what it runs, and runs it
  echo "  + $*"
  [ -n "$DRY_RUN" ] || "$@"
}
write() { # a file from what it is given, with this mode and group, and shows it
  echo "  + write $1 ($2, group $3):"
  content=$(cat)
  echo "$content" | sed 's/^/      /'
  [ -n "$DRY_RUN" ] && return
  echo "$content" | install -D -m "$2" -g "$3" /dev/stdin "$1"
}
has() { command -v "$1" > /dev/null 2>&1; }; has_systemd() { [ -d /run/systemd/system ]; }

read_arguments() {
  while [ $# -gt 0 ]; do
    case $1 in
      --dry-run) DRY_RUN=yes ;;
      --uninstall) UNINSTALL=yes ;;
      --back) BACK=yes ;;
      --base-domain) BASE_DOMAIN=${2:?"--base-domain needs a name"}; shift ;;
      --email) EMAIL=${2?"--email needs an address, or '' for none"}; shift ;;
      -*) fail "there is no option $1" "see the first lines of this file" ;;
      *) TARBALL=$1 ;;
    esac
    shift
  done
}

check_machine() {
  [ "$(id -u)" = 0 ] || fail 'only root can install a service' "run it with sudo: sudo sh $0 ..."
  # shellcheck disable=SC1091
  case $(. /etc/os-release 2> /dev/null; echo "$ID-${VERSION_ID:-}") in
    debian-12 | debian-13) ;;
    ubuntu-24.04) say 'Ubuntu: it should work, and is untested' ;;
    *) fail 'this is neither Debian 12 or 13 nor Ubuntu 24.04' 'install by hand: deploy/README.md says what is needed' ;;
  esac
}

check_tarball() {
  if [ -n "$BACK" ]; then TARBALL=$KEPT/previous.tgz
    [ -f "$TARBALL" ] || fail 'no earlier version is kept here' 'name its tarball: sudo sh install.sh pbt-server-VERSION.tgz'; fi
  [ -n "$TARBALL" ] || fail 'which tarball?' "for example: sudo sh $0 pbt-server-0.1.0.tgz"
  tar -tzf "$TARBALL" package/server/bin/pbt-server > /dev/null 2>&1 ||
    fail "$TARBALL is not a tarball of pbt-server" '"npm run pack" in a checkout makes one in dist/'
}

ask() {
  [ -f "$SETTINGS" ] && return
  [ -n "$BASE_DOMAIN" ] || { printf 'Base domain, below which tunnels appear (for example tunnel.example.com): '; read -r BASE_DOMAIN; }
  echo "$BASE_DOMAIN" | grep -Eq '^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$' ||
    fail "\"$BASE_DOMAIN\" is not a domain" 'name one that is yours, in lower case, such as tunnel.example.com'
  [ -n "$EMAIL" ] || { printf 'Your email address, for the account at the certificate authority (empty: none): '; read -r EMAIL || true; }
}

install_program() {
  say "the program, in $PREFIX"
  missing=$(has npm || echo npm ca-certificates; ldconfig -p | grep -q 'libatomic\.so\.1 ' || echo libatomic1) # which Node needs
  [ -z "$missing" ] || { run apt-get update -q && run apt-get install -y -q --no-install-recommends $missing; } || not_installed
  if [ -x "$PREFIX/bin/pbt-server" ] && cmp -s "$TARBALL" "$KEPT/installed.tgz"; then
    echo "  = $("$PREFIX/bin/pbt-server" --version) is installed from this very tarball"; return; fi
  # Beside the version of before, until it has shown that it runs: npm does not say that it could not get Node.
  run rm -rf "$STAGE"
  if [ -n "$BACK" ] && [ -d "$PREVIOUS" ]; then new=$PREVIOUS; run install -d "$STAGE"; else
    new=$STAGE/lib/node_modules/$PACKAGE
    run install -d "$KEPT" && has_room && run npm install --global --prefix "$STAGE" --no-audit --no-fund --loglevel=error "$TARBALL" || not_installed; fi
  run "$new/server/bin/pbt-server" --version && run cp "$TARBALL" "$STAGE/new.tgz" || not_installed
  back_up
  old=$(ls -d "$PROGRAM" 2> /dev/null || true)
  [ -z "$old" ] || run mv "$old" "$STAGE/old"
  run install -d "$PREFIX/bin" "${PROGRAM%/*}"
  run mv "$new" "$PROGRAM"
  [ -z "$old" ] || { run rm -rf "$PREVIOUS" && run mv "$STAGE/old" "$PREVIOUS"; }
  run ln -sfn "../lib/node_modules/$PACKAGE/server/bin/pbt-server" "$PREFIX/bin/pbt-server"
  [ ! -f "$KEPT/installed.tgz" ] || run mv "$KEPT/installed.tgz" "$KEPT/previous.tgz"
  run mv "$STAGE/new.tgz" "$KEPT/installed.tgz"
  run rm -rf "$STAGE"; CHANGED=yes
}

# On a disk that fills meanwhile npm 9 leaves files that are cut, and reports success.
megabytes_left() { df -m --output=avail "$KEPT" 2> /dev/null | tail -1 | tr -d ' '; }
has_room() { [ -n "$DRY_RUN" ] || [ "$(megabytes_left)" -ge 400 ]; }
not_installed() {
  run rm -rf "$STAGE"
  fail "it could not be installed, and nothing was changed; the disk of $KEPT has $(megabytes_left) MB left, and 400 are needed" \
    'what other lines above say, or make room ("df -h" shows every disk); it also needs the registry of npm ("npm ping"). Then run this again'
}

# A newer version may change the database, and an older one cannot read it then.
back_up() {
  [ -x "$PREFIX/bin/pbt-server" ] && [ -f /var/lib/pbt-server/pbt.db ] || return 0
  version=$(tar -xzOf "$TARBALL" package/package.json | sed -n 's/^  "version": "\(.*\)",$/\1/p')
  run mkdir -p "$BACKUPS" && run "$PREFIX/bin/pbt-server" backup "$BACKUPS/pbt-before-$version-$(date -u +%Y%m%dT%H%M%SZ).tar.gz" || {
    run rm -rf "$STAGE"; fail 'no backup could be made, so nothing was installed' 'sudo pbt-server doctor'; }
}

restart_service() {
  say 'the service: its ports stay open meanwhile, requests in flight end whole, and clients come back by themselves'
  run systemctl restart pbt-server
  say 'done. See how it is: sudo pbt-server doctor'
  [ -n "$BACK" ] || say "to go back: sudo sh $0 --back"
  say "an earlier version that refuses the database needs the backup from before the upgrade, in $BACKUPS/pbt-before-*:"
  say '  sudo systemctl stop pbt-server.socket pbt-server && sudo pbt-server restore FILE --replace && sudo systemctl start pbt-server.socket pbt-server'
}

make_user() {
  say 'a user of its own, and its directories'
  if id pbt-server > /dev/null 2>&1; then echo '  = the user pbt-server is there'
  else run useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin pbt-server; fi
  run install -d -m 0750 -o root -g pbt-server /etc/pbt-server
  run install -d -m 0700 -o pbt-server -g pbt-server /var/lib/pbt-server
}

# Those of this machine that are reached from everywhere, one on a line.
public_addresses() {
  has ip || return 0
  ip -o addr show scope global | awk '{ sub("/.*", "", $4); print $4 }' |
    grep -Ev '^(10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|f[cd])' || true
}

# Behind NAT: where the records of the base domain lead, and the address that is left by, to which the router forwards. Nothing is sent.
forwarded_addresses() { getent ahostsv4 "$BASE_DOMAIN" 2> /dev/null | awk '{ print $1 }' | sort -u; }
leaving_address() { ! has ip || ip -4 -o route get 192.0.2.1 2> /dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p'; }
listed() { sed 's/.*/"&"/' | paste -sd, -; }

write_settings() {
  say 'settings'
  if [ -f "$SETTINGS" ]; then echo "  = $SETTINGS is there, and stays as it is"; return; fi
  {
    printf 'base-domain: %s\nhttps-port: 443\nhttp-port: 80\n' "$BASE_DOMAIN"
    addresses=$(public_addresses | listed) behind=$(forwarded_addresses | listed) inner=$(leaving_address)
    # The responder for wildcard certificates listens on them, not on 127.0.0.53, which is the system's.
    if [ -n "$addresses" ]; then printf 'public-address: [%s]\ndns-port: 53\n' "$addresses"
    elif [ -n "$behind" ] && [ -n "$inner" ]; then
      printf 'public-address: [%s]\ndns-address: ["%s"]\ndns-port: 53\n' "$behind" "$inner"
      say "this machine is behind NAT: $BASE_DOMAIN leads to $behind, so that is taken for its public address. What has that must forward TCP 80, 443 and 53, UDP 53, and $PORTS of both to $inner" >&2
    else say "this machine has no public address of its own (NAT?), and $BASE_DOMAIN leads nowhere yet: no wildcard certificate until $SETTINGS has public-address, dns-address and dns-port (deploy/README.md, \"DNS responder\")" >&2; fi
    [ -z "$EMAIL" ] || echo "acme-email: $EMAIL"
  } | write "$SETTINGS" 0640 pbt-server
}

write_sysctl() {
  say 'the kernel: ports of tunnels are not for outgoing connections, and UDP has room'
  printf '%s\n' "net.ipv4.ip_local_reserved_ports = $PORTS" 'net.core.rmem_max = 4194304' 'net.core.wmem_max = 4194304' | write "$SYSCTL" 0644 root
  run sysctl -q -p "$SYSCTL" || say 'the kernel did not take all of it (a container?): "pbt-server doctor" tells what is missing'
}

has_ufw() { has ufw && ufw status | grep -q '^Status: active'; }
ufw_rules() { for rule in 80,443/tcp 53 "$(echo $PORTS | tr - :)/tcp" "$(echo $PORTS | tr - :)/udp"; do run ufw "$@" "$rule"; done; }
open_firewall() {
  say 'firewall'
  if has_ufw; then ufw_rules allow
  elif has nft && nft list chain inet filter input 2> /dev/null | grep -q .; then
    if [ -f "$NFTABLES" ]; then echo "  = $NFTABLES is there"; return; fi
    write "$NFTABLES" 0644 root << EOF
insert rule inet filter input tcp dport { 53, 80, 443, $PORTS } accept comment "pbt-server"
insert rule inet filter input udp dport { 53, $PORTS } accept comment "pbt-server"
EOF
    run nft -f "$NFTABLES"
    grep -qs '/etc/nftables.d/' /etc/nftables.conf || run sh -c 'echo "include \"/etc/nftables.d/*.nft\"" >> /etc/nftables.conf'
  else echo '  = neither ufw nor a chain "inet filter input" of nftables: nothing is closed, nothing to open'; fi
}

install_units() {
  say 'units'; for unit in $UNITS; do run install -m 0644 "$PROGRAM/deploy/$unit" "/etc/systemd/system/$unit"; done
  if has_systemd; then run systemctl daemon-reload; else say 'no systemd runs here: nothing starts pbt-server by itself'; fi
}

uninstall() {
  say 'units'
  if has_systemd; then run systemctl disable --now $UNITS || true; fi
  for unit in $UNITS; do run rm -f "/etc/systemd/system/$unit"; done
  if has_systemd; then run systemctl daemon-reload; fi
  say 'kernel and firewall'; run rm -f "$SYSCTL"
  if has_ufw; then ufw_rules delete allow; fi
  [ ! -f "$NFTABLES" ] || { run rm -f "$NFTABLES"; say 'the rules of nftables go with the next reboot, or "systemctl restart nftables"'; }
  say 'the program'; if [ -d "$PROGRAM" ]; then run npm uninstall --global --prefix "$PREFIX" --no-audit --no-fund --loglevel=error "$PACKAGE"; fi
  run rm -rf "$KEPT"
  say 'kept: settings, data and the user. To remove them too: rm -r /etc/pbt-server /var/lib/pbt-server; userdel pbt-server'
}

read_arguments "$@"
check_machine
if [ -n "$UNINSTALL" ]; then uninstall; exit; fi
check_tarball
ask
install_program
make_user
write_settings
write_sysctl
open_firewall
install_units
if has_systemd && systemctl -q is-active pbt-server; then
  if [ -n "$CHANGED" ]; then restart_service; else say 'done: it runs, and nothing had to be changed'; fi; exit; fi
say 'done. Next:'
[ -f /var/lib/pbt-server/pbt.db ] || say '  sudo pbt-server init       (it says the token, once)'
say '  sudo systemctl enable --now pbt-server.socket pbt-server'
say '  sudo pbt-server doctor'

#!/usr/bin/env bash
# Makes sure that what the tests need beside Python is on this machine, and says what it found. Nothing is left
# running: each test session starts the servers it needs, on ports of its own. SQLite is in the process, and the OTLP
# receiver is part of the test. Each service is one function here that finds it, installs it or says why it cannot.
set -euo pipefail
exec </dev/null

say() { printf 'services: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }

postgres() {
  local place
  for place in "$(dirname "$(readlink -f "$(command -v pg_ctl || echo /)")")" "$(pg_config --bindir 2>/dev/null || true)" \
    $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV || true); do
    if [ -x "$place/initdb" ] && [ -x "$place/pg_ctl" ] && [ -x "$place/postgres" ]; then
      "$place/postgres" --version
      return
    fi
  done
  return 1
}

start_postgres() {
  local found
  if [ -n "${HEADRACE_TEST_POSTGRES:-}" ]; then
    say "PostgreSQL: the server named in HEADRACE_TEST_POSTGRES"
    return
  fi
  if ! found=$(postgres); then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
      die "there is no PostgreSQL server here. Install one (Debian, Ubuntu: apt-get install postgresql), or name one in HEADRACE_TEST_POSTGRES"
    say "installing PostgreSQL"
    # Without a cluster of its own: the tests make theirs.
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
    DEBIAN_FRONTEND=noninteractive apt-get -q update >&2
    DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends postgresql openssl >&2
    found=$(postgres) || die "PostgreSQL was installed and cannot be found; see above"
  fi
  command -v openssl >/dev/null || die "openssl is not here; the tests make certificates with it"
  say "$found; the tests start a server of their own"
}

start_pgbouncer() {
  # What stands between nodes and server in many a house; the tests start one of their own, in transaction mode.
  local found
  if ! found=$(PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v pgbouncer); then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
      die "there is no PgBouncer here. Install it (Debian, Ubuntu: apt-get install pgbouncer)"
    say "installing PgBouncer"
    # Without a service of its own: the tests start theirs.
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -q install -y --no-install-recommends pgbouncer >&2 ||
      { DEBIAN_FRONTEND=noninteractive apt-get -q update >&2
        DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -q install -y --no-install-recommends pgbouncer >&2; }
    found=$(PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v pgbouncer) || die "PgBouncer was installed and cannot be found; see above"
  fi
  say "$("$found" --version | head -1); the tests start one of their own"
}

start_postgres
start_pgbouncer

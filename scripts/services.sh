#!/usr/bin/env bash
# Starts what the tests need beside Python, and says what it found. Nothing yet: SQLite is in the process, and the
# OTLP receiver is part of the test. Each service to come is one function here that starts it or says why it cannot.
set -euo pipefail

services=()

for service in ${services[@]+"${services[@]}"}; do
  "start_$service"
done
[ ${#services[@]} -gt 0 ] || echo "services: the tests need none; SQLite and the OTLP receiver run in the process"

# Sourced by the scripts beside it: goes to the project's root and makes .venv what pyproject.toml asks for.
# Usage: . scripts/setup.sh [extra]      extra: "dev" for the tools of test and check
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

wanted=$(sha256sum pyproject.toml | cut -c1-16)-${1:-run}
have=$(cat .venv/made-for 2>/dev/null || true)
if [ "$have" != "$wanted" ] && [ "$have" != "${wanted%-*}-dev" ]; then
  python=$(command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or later is needed; $python is $("$python" -V 2>&1)" >&2
    exit 1
  }
  echo "setting up .venv (once; about two minutes) ..." >&2
  [ -x .venv/bin/python ] || "$python" -m venv .venv
  .venv/bin/python -m pip install -q --disable-pip-version-check -e ".${1:+[$1]}"
  echo "$wanted" >.venv/made-for
fi
PATH=$PWD/.venv/bin:$PATH
export PATH

#!/bin/sh
# Release by canary, and roll back by itself: see docs/releases.md, or --help.
#
#   deploy/scripts/canary.sh local FOLDER …        two pools of gunicorn behind nginx
#   deploy/scripts/canary.sh kubernetes IMAGE …    two Deployments
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -lt 2 ]; then
    sed -n 's/^# \{0,1\}//p' "$0" >&2
    exit 64
fi
place=$1
shift
python=$here/../../.venv/bin/python
[ -x "$python" ] || python=python3
# ROLLOUT: options of the place, such as "--namespace housing --traffic istio".
# shellcheck disable=SC2086
exec "$python" "$here/rollout.py" --on "$place" ${ROLLOUT-} canary "$@"

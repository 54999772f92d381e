#!/usr/bin/env bash
# A shell script that waits for jobs in any language, here on other nodes of this machine, and acts on how they ended.
#
#     cargo build -p obit-cli && obit-cli/examples/shell_watch.sh
#
# It uses the `obit` that OBIT names, or else the one on the PATH, or else the one just built. It exits with 0 if all is well.
set -euo pipefail

target=${CARGO_TARGET_DIR:-$(dirname "${BASH_SOURCE[0]}")/../../target}
obit=${OBIT:-$(command -v obit || echo "$target/debug/obit")}
folder=$(mktemp -d)
jobs=()
# Each is ended by its own number, and only if it is still there.
trap 'for job in "${jobs[@]}"; do kill "$job" 2>/dev/null || true; done; rm -rf "$folder"' EXIT

# A job, as a process of a node of its own; it could be on another host.
start() { # NAME COMMAND...
    local name=$1
    shift
    "$obit" run --socket "$folder/$name.sock" --node "$name@127.0.0.1:$port" --name job -- "$@" &
    jobs+=($!)
}
watched() { # NAME: waits until somebody watches its job, by asking its node
    for _ in $(seq 300); do
        if "$obit" monitors --socket "$folder/$1.sock" 2>/dev/null | grep -q "^job is watched"; then return; fi
        sleep 0.1
    done
    echo "nobody watches $1" >&2
    exit 1
}
# A port that is free now, from the range that the system gives to nobody unasked.
free_port() {
    local candidate
    for _ in $(seq 50); do
        candidate=$((20000 + RANDOM % 10000))
        (exec 3<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null || { echo "$candidate"; return; }
    done
    return 1
}
expect() { # CODE COMMAND...
    local code=0 wanted=$1
    shift
    "$@" || code=$?
    if [ "$code" != "$wanted" ]; then
        echo "$* ended with $code instead of $wanted" >&2
        exit 1
    fi
}

# It waits for a file, so that it cannot be over before it is watched.
port=$(free_port)
start backup bash -c "until [ -e '$folder/go' ]; do sleep 0.1; done; exit 7"
backup="job@backup@127.0.0.1:$port"
port=$(free_port)
start server sleep 600
server="job@server@127.0.0.1:$port"

# 3: it ended, and not well. Its node said so, so it is true.
"$obit" watch --wait 30 "$backup" >"$folder/told" &
watching=$!
jobs+=("$watching")
watched backup
touch "$folder/go"
expect 3 wait "$watching"
cat "$folder/told"
grep -q "status 7" "$folder/told"

# Now it is gone, with its node: 5, nobody knows.
expect 5 "$obit" watch "$backup"

# The second is asked to stop, and does: 0. Its watcher is told at once, as JSON for programs.
"$obit" watch --wait 30 --json "$server" >"$folder/told" &
watching=$!
jobs+=("$watching")
watched server
kill -TERM "${jobs[1]}"
expect 0 wait "$watching"
cat "$folder/told"
grep -q '"exit":"shutdown"' "$folder/told"
echo "all as it should be"

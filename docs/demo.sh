#!/usr/bin/env bash
# What `make demo` runs once everything is installed; each step is a command that you can type yourself.
# Reads BIN (where python is), DATA (a data set's folder) and DEMO (a folder for what it writes, emptied first).
set -euo pipefail

if [ -t 1 ]; then bold=$'\033[1m' plain=$'\033[0m'; else bold='' plain=''; fi
step() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }

rm -rf "$DEMO"
mkdir -p "$DEMO"
export PLAYTHROUGH_VAR_DIR="$DEMO/var"

step "1. Train on the first 80 % of the plays in $DATA"
"$BIN/python" -m trainer --data "$DATA" --models "$DEMO/models" --split temporal

step "2. Serve the models, with an embedded MongoDB for the A/B documents"
export MONGODB_URI=embedded  # beats a .env too: the demo leaves a configured database alone
: >"$DEMO/server.out"
"$BIN/python" -m server --data "$DATA" --models "$DEMO/models" --port 0 >"$DEMO/server.out" 2>"$DEMO/server.log" &
server_pid=$!
trap 'kill "$server_pid" 2>/dev/null && wait "$server_pid" || true' EXIT
until grep -q '^listening on ' "$DEMO/server.out"; do
  kill -0 "$server_pid" 2>/dev/null || { cat "$DEMO/server.log" >&2; exit 1; }
  sleep 0.1
done
cat "$DEMO/server.out"
server=$(sed -n 's/^listening on //p' "$DEMO/server.out")

step "3. Which tracks of the catalogue will a rock listener hear out?"
"$BIN/python" -m cache_client rank --server "$server" --favourite-genre rock --top-k 5

step "4. What to fetch while the catalogue's first track plays: one call of PlanPrefetch"
request=$("$BIN/python" - "$DATA/tracks.jsonl" <<'EOF'
import itertools, json, sys
with open(sys.argv[1], encoding="utf-8") as lines:
    playing, *queue = [{"track_id": json.loads(line)["id"]} for line in itertools.islice(lines, 4)]
print(json.dumps({"playing": playing, "queue": queue, "free_bytes": 64_000_000, "favourite_genres": ["rock"]}))
EOF
)
method=playthrough.v1.PredictionService/PlanPrefetch
if command -v grpcurl >/dev/null; then
  echo "grpcurl -plaintext -d '$request' $server $method"
  grpcurl -plaintext -d "$request" "$server" "$method"
else
  echo "(grpcurl is not installed: the same call from Python) $method $request"
  "$BIN/python" - "$server" "$request" <<'EOF'
import sys
import grpc
from google.protobuf import json_format
from playthrough.v1 import prediction_service_pb2 as pb, prediction_service_pb2_grpc as pb_grpc
with grpc.insecure_channel(sys.argv[1]) as channel:
    request = json_format.Parse(sys.argv[2], pb.PlanPrefetchRequest())
    answer = pb_grpc.PredictionServiceStub(channel).PlanPrefetch(request, timeout=10)
print(json_format.MessageToJson(answer, preserving_proto_field_name=True))
EOF
fi

step "5. What does the advice save? The last 20 % of the plays, which no model has seen"
"$BIN/python" -m cache_client simulate --server "$server" --data "$DATA"

step "6. A/B test on the same plays: every prediction logged, then joined with what the listener did"
"$BIN/python" -m cache_client replay --server "$server" --data "$DATA" --limit 1500

step "7. What the A/B documents in MongoDB say"
"$BIN/python" -m server report --html "$DEMO/experiment.html" --json "$DEMO/experiment.json"
echo "with plots: $DEMO/experiment.html"

kill "$server_pid"
wait "$server_pid"
trap - EXIT
again="make serve"
[ "$DATA" = data/sample ] || again+=" DATA=\"$DATA\""
step "Done. '$again' serves these models on port 50051, until Ctrl-C."

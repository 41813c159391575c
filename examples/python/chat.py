"""Sends a message and prints the answer as it is made, over lost connections and restarts of the server.

    WEIR_KEY=weir_... python3 chat.py "count to 100"

The standard library is enough: the log is Server-Sent Events, and the id of each is the cursor to go on from.
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

BASE = os.environ.get("WEIR_URL", "http://127.0.0.1:8080") + "/v1"
ENDS = {"turn.completed", "turn.failed", "turn.cancelled", "turn.interrupted"}


def call(path, body=None, **headers):
    headers |= {"Authorization": f"Bearer {os.environ['WEIR_KEY']}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    # The server pings every 15 s; a longer silence is a dead connection.
    return urllib.request.urlopen(urllib.request.Request(BASE + path, data, headers), timeout=45)


def post(path, body):
    """Tries until it is answered. A repeat under the same key gets the first answer, and happens once."""
    key = {"Idempotency-Key": str(uuid.uuid4())}
    while True:
        try:
            with call(path, body, **key) as answer:
                return json.load(answer)
        except (OSError, http.client.HTTPException) as error:
            wait_unless_final(error)


def events(conversation, cursor):
    """Everything after the cursor, once and in order, for as long as one wants."""
    while True:
        try:
            with call(f"/conversations/{conversation}/events?after={cursor}") as stream:
                frame = {}
                for line in stream:
                    name, _, value = line.decode().rstrip("\n").partition(": ")
                    if name:
                        frame[name] = value
                    elif "id" in frame:
                        cursor = frame["id"]
                        yield json.loads(frame["data"])
                    if not name:
                        frame = {}
        except (OSError, http.client.HTTPException) as error:
            wait_unless_final(error)


def wait_unless_final(error):
    """What the server refused for good is no use to repeat."""
    if isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code != 429:
        sys.exit(error.read().decode())
    time.sleep(0.5)


def main(text):
    created = post("/conversations", {"title": text[:80], "message": {"text": text}})
    shown = set()
    for event in events(created["conversation"]["id"], "0"):
        if event["type"] == "part.started" and event["part"]["type"] == "text":
            shown.add((event["message_id"], event["index"]))
        elif event["type"] == "part.delta" and (event["message_id"], event["index"]) in shown:
            print(event["text"], end="", flush=True)
        elif event["type"] in ENDS and event["turn_id"] == created["turn"]["id"]:
            print()
            sys.exit(0 if event["type"] == "turn.completed" else event["type"])


main(" ".join(sys.argv[1:]) or "count to 100")

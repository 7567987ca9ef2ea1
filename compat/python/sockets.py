"""The WebSocket protocols of old, as browsers and the conformance tests open them. The pod `s` of `streams` runs."""
import base64
import json

import websocket
from common import core
from tap import equal, step

BEGIN = "/api/v1/namespaces"


def run(ns):
    """All of it."""
    command = f"{BEGIN}/{ns}/pods/s/exec?command=rutter&command=--version&stdout=1&stderr=1"
    for protocol in ("v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"):
        with step(f"socket: exec by {protocol}"):
            out = b"".join(one[1:] for one in messages(command, protocol) if one[:1] == b"\x01")
            equal(out[:7], b"rutter ")
    for protocol in ("v4.base64.channel.k8s.io", "base64.channel.k8s.io"):
        with step(f"socket: exec by {protocol}"):
            out = b"".join(base64.b64decode(one[1:]) for one in messages(command, protocol) if one[:1] == b"1")
            equal(out[:7], b"rutter ")
    with step("socket: log by binary.k8s.io"):
        assert b"hello from pod s" in b"".join(messages(f"{BEGIN}/{ns}/pods/s/log", "binary.k8s.io"))
    with step("socket: port-forward by v4.channel.k8s.io names the port first"):
        first = messages(f"{BEGIN}/{ns}/pods/s/portforward?ports=8080", "v4.channel.k8s.io", 2)
        equal(sorted(first), [bytes([0, 0x90, 0x1F]), bytes([1, 0x90, 0x1F])])
    with step("socket: watch"):
        events = messages(f"{BEGIN}/{ns}/configmaps?watch=true&timeoutSeconds=1&fieldSelector=metadata.name=a", None)
        equal([json.loads(one)["type"] for one in events], ["ADDED"])
    with step("socket: a protocol that is none is refused"):
        try:
            messages(command, "none.example.com")
        except websocket.WebSocketException:
            return
        raise AssertionError("it was not refused")


def messages(path, protocol, most=100):
    """What the server sends until it closes, or so many."""
    how = core.api_client.configuration
    options = {"ca_certs": how.ssl_ca_cert, "certfile": how.cert_file, "keyfile": how.key_file}
    socket = websocket.WebSocket(sslopt=options)
    socket.settimeout(10)
    socket.connect(how.host.replace("https", "wss") + path, subprotocols=[protocol] if protocol else None)
    got = []
    while len(got) < most:
        kind, data = socket.recv_data()
        if kind == websocket.ABNF.OPCODE_CLOSE:
            break
        got.append(data)
    socket.close()
    return got

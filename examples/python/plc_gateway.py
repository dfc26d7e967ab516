"""From MQTT to a controller: each decision of a line sets three outputs, once.

    pip install paho-mqtt
    MQTT_HOST=broker python examples/python/plc_gateway.py bolts

A server with a sink `kind = "mqtt"` and `topic = "plant/{line}/{event}"` sends the decisions. Replace `set_outputs`
by what your controller needs, such as Modbus coils or OPC UA variables. MQTT_PORT is the broker's port (1883),
MQTT_USER and MQTT_PASSWORD are the login (none).
"""

import json
import os
import sys
from collections import deque

import paho.mqtt.client as mqtt

# Messages come at least once: the last ids are remembered, so that none acts twice.
KNOWN = 10_000


def set_outputs(inspection: str, decision: str) -> None:
    """Tell the controller what was decided. Replace this; raise an exception if the controller does not answer."""
    outputs = {
        "good": decision == "ok",
        "bad": decision == "ng",
        # The part must not pass by itself: a person decides.
        "review": decision == "review",
    }
    states = " ".join(f"{name}={int(is_on)}" for name, is_on in outputs.items())
    print(f"{inspection} {decision} {states}")


class Gateway:
    """Passes each decision on once, and acknowledges it afterwards."""

    def __init__(self, line: str):
        self.topic = f"plant/{line}/inspection"
        self.order, self.known = deque(), set()

    def connected(self, client: mqtt.Client, _data, _flags, reason, _properties) -> None:
        """Subscribe, also after a lost connection."""
        if reason.is_failure:
            sys.exit(f"the broker refuses: {reason}")
        client.subscribe(self.topic, qos=1)

    def subscribed(self, _client, _data, _number, _reasons, _properties) -> None:
        """From now on nothing is missed."""
        print(f"connected: {self.topic}")

    def received(self, client: mqtt.Client, _data, message: mqtt.MQTTMessage) -> None:
        """Act, and only then acknowledge: a message that fails here comes again after the next connection."""
        told = json.loads(message.payload)
        if told["id"] not in self.known:
            set_outputs(told["id"], told["inspection"]["decision"])
            self.remember(told["id"])
        client.ack(message.mid, message.qos)

    def remember(self, message: str) -> None:
        """Note an id, and forget the oldest one."""
        self.known.add(message)
        self.order.append(message)
        if len(self.order) > KNOWN:
            self.known.discard(self.order.popleft())


def main() -> None:
    """Run until it is stopped."""
    gateway = Gateway(sys.argv[1])
    # A session that stays: the broker keeps what comes while the gateway is away.
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2,
        client_id=f"plc-gateway-{sys.argv[1]}",
        clean_session=False,
        manual_ack=True,
    )
    if user := os.environ.get("MQTT_USER"):
        client.username_pw_set(user, os.environ.get("MQTT_PASSWORD"))
    client.on_connect = gateway.connected
    client.on_subscribe = gateway.subscribed
    client.on_message = gateway.received
    client.connect(os.environ.get("MQTT_HOST", "127.0.0.1"), int(os.environ.get("MQTT_PORT", "1883")))
    client.loop_forever()


if __name__ == "__main__":
    main()

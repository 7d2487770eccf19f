"""The least that a relay can do: frames of one WebSocket go to another as they are, by `picows`.

python floor.py PORT        # connections pair up in the order in which they come
"""

import asyncio
import gc
import sys

from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

_single: list["Half"] = []


class Half(WSListener):
    """One of two connections; what it reads, the other one is sent."""

    other: "Half"
    transport: WSTransport

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        if _single:
            self.other = _single.pop()
            self.other.other = self
        else:
            _single.append(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.BINARY:
            self.other.transport.send(WSMsgType.BINARY, frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()


def _listener(_: WSUpgradeRequest) -> Half:
    return Half()


async def main(port: int) -> None:
    server = await ws_create_server(
        _listener, "127.0.0.1", port, enable_auto_pong=True, max_frame_size=16 << 20
    )
    gc.collect()
    gc.freeze()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))

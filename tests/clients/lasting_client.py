"""A client in a process of its own, to be stopped and killed. Arguments: url, options as JSON.

It offers a public service `lasting` with `hello`, `hang` and `pid`, prints its service id, and
tells on standard output when it was told that its connection is over for good.
"""

import asyncio
import json
import os
import sys

from hypha_rpc import connect_to_server


async def main() -> None:
    url, options = sys.argv[1], json.loads(sys.argv[2])
    server = await connect_to_server({"server_url": url, **options})
    service = await server.register_service(
        {
            "id": "lasting",
            "config": {"visibility": "public"},
            "hello": lambda name: f"Hello {name}!",
            "hang": lambda: asyncio.sleep(3600),
            "pid": os.getpid,
        }
    )
    print(json.dumps({"id": service.id, "pid": os.getpid()}), flush=True)
    await asyncio.Event().wait()


asyncio.run(main())

"""Readable random names such as `amber-lagoon-40318827` for users, servers and tokens (AUTH-3)."""

import secrets

_FIRST = """agile amber ample azure balmy bold brave breezy brisk bronze calm candid cedar cheerful
civic clear clever copper coral cosmic crimson crisp curious dapper daring deep eager early earnest
easy elated ember fair fancy fleet fresh frosty gentle gilded glad golden grand green happy hardy
hazel honest humble indigo ivory jade jolly keen kind lively loyal lucid lunar mellow merry mild
misty mossy navy neat noble nimble olive opal patient pearly placid playful plucky polar prime
proud quick quiet radiant rapid robust rosy royal ruby rustic sandy serene sharp silent silver
sleek smart solar solid spry stable steady stellar sunny swift tidy topaz tranquil true upbeat
velvet vivid warm wavy wise witty young zesty""".split()

_SECOND = """acorn alder anchor apple arrow aspen badger basin bay beacon birch bison bloom breeze
bridge brook canyon cedar cliff cloud clover comet coral cove crane creek crystal dawn delta dune
eagle echo elm falcon fern field finch fjord flame forest fountain fox garden glacier glade grove
harbor hawk hazel heron hill horizon iris island jasper juniper kestrel lagoon lake lantern lark
leaf lemon lily linden lotus lynx magnet maple marsh meadow mesa meteor mint moon moss mountain
nebula oak oasis ocean orchard orchid otter owl palm pebble petal pine planet plum pond poplar
prairie quartz raven reed reef ridge river robin rowan sage shore sparrow spring spruce star stone
stream summit sun swan thistle tide trail tulip valley violet walnut wave willow wind wolf wren
zephyr""".split()


def readable_id() -> str:
    """`word-word-NNNNNNNN`, digits from the system's random source: about 40 bits."""
    digits = secrets.randbelow(10**8)
    return f"{secrets.choice(_FIRST)}-{secrets.choice(_SECOND)}-{digits:08d}"


def random_key(bits: int = 128) -> str:
    """A URL-safe unguessable key, 22 characters at the default strength."""
    return secrets.token_urlsafe((bits + 7) // 8)

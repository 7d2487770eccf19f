"""The families of measures, in the order in which they run."""

from measure import Family

from families import (
    connect,
    health,
    httpcalls,
    large,
    mcpcalls,
    memory,
    register,
    relay,
    rpc,
    start,
)

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        start.FAMILY,
        memory.FAMILY,
        relay.FAMILY,
        connect.FAMILY,
        register.FAMILY,
        rpc.FAMILY,
        large.FAMILY,
        httpcalls.FAMILY,
        mcpcalls.FAMILY,
        health.FAMILY,
    )
}

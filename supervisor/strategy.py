"""Who is stopped and started again together with a process that died. Pure.

Erlang/OTP's strategies.
"""

from collections.abc import Sequence

from actors.settings.supervision import Strategy


def affected(strategy: Strategy, order: Sequence[str], dead: str) -> tuple[str, ...]:
    """The dead one and those that share its fate, in the order of starting.

    ``order``: all members of the group in the order of starting. They are stopped in reverse.
    """
    match strategy:
        case "one_for_one":
            return (dead,)
        case "one_for_all":
            return tuple(order)
        case "rest_for_one":
            return tuple(order[order.index(dead) :])

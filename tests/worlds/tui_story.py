"""What a person sees of the terminal UI when an alias breaks: the same story in every cluster."""

from collections.abc import Callable, Sequence

from worlds.terminal import GREEN, RED, Terminal

from kubectl_extsvc.model.resources import Json

INTERVAL = 10.0
"""Seconds between two looks, if nothing is said."""
WRONG_SNI: Json = {"spec": {"trafficPolicy": {"tls": {"sni": "old.pay.example"}}}}
"""Merge patch of a DestinationRule with sni api.pay.example, the only name that the server has."""
FINDING = 'XS0403 Envoy sends SNI "old.pay.example", the server has no such name'


def my_pay_breaks_and_is_cured(
    terminal: Terminal, tui: str, break_it: Callable[[], object], keys: Sequence[str] = ()
) -> None:
    """Where my-pay is well: watch it in the matrix, break it (write WRONG_SNI), cure it by keys, and quit.

    Args:
        tui: the command line that opens the matrix.
        keys: what leads the cursor from the first alias to my-pay.
    """
    terminal.type(f"{tui}; echo ended with $?")
    terminal.see("watching 10s", "my-pay")
    if keys:
        terminal.press(*keys)
    terminal.see("▸ my-pay")
    terminal.until(lambda: terminal.colours("✓ ", of="▸ my-pay") == [GREEN], "a green cell")
    terminal.see("my-pay.default from", "─ tls ✓", "No findings. TLS SIMPLE by destinationrule/my-pay")

    break_it()
    terminal.see("✗ tls", FINDING, within=INTERVAL)
    assert terminal.colours("✗ tls", of="▸ my-pay") == [RED]
    assert terminal.colours("✓ ", of="▸ my-pay") == []
    assert "! 1 problem" in terminal.screen

    terminal.press("f")
    terminal.see(
        "Fix XS0403 on my-pay.default",
        "-       sni: old.pay.example",
        "+       sni: api.pay.example",
        "✓ server dry run",
    )
    terminal.press("y")
    terminal.until(lambda: terminal.colours("✓ ", of="▸ my-pay") == [GREEN], "a green cell", within=INTERVAL)
    terminal.see("watching 10s", "─ tls ✓", "No findings. TLS SIMPLE by destinationrule/my-pay")
    assert FINDING not in terminal.screen
    assert "problem " not in terminal.screen

    terminal.press("q")
    terminal.see("ended with 0")

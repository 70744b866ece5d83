"""python -m kubectl_extsvc."""

import signal
import sys

if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Ctrl-C while we are still loading just ends the process; cli.main knows better once it has begun.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    from kubectl_extsvc.cli import main

    sys.exit(main())

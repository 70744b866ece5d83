"""python -m kubectl_extsvc, or python FOLDER_OF_THIS_PACKAGE, wherever that lies."""

import os
import signal
import sys

if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Ctrl-C while we are still loading just ends the process; cli.main knows better once it has begun.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if not __package__:
        # Called by its folder, which Python put on the path: what it should find is what the folder lies in.
        sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

    from kubectl_extsvc.cli import main

    sys.exit(main())

"""python -m kubectl_extsvc."""

import sys

from kubectl_extsvc.cli import main

if __name__ == "__main__":
    sys.exit(main())

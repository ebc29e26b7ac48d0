"""``python -m nas_moo`` is ``nas-moo``."""

import sys

from nas_moo.cli import main

if __name__ == "__main__":
    sys.exit(main())

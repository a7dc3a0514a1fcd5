"""`python -m medtutor` is `medtutor`."""

import sys

from medtutor.course.cli import main

if __name__ == "__main__":
    sys.exit(main())

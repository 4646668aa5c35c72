"""The former name of `python -m api.auth.admin`, kept for two minor versions."""

from __future__ import annotations

from api.auth.admin import main

if __name__ == "__main__":
    main()

from __future__ import annotations

from hypothesis import settings

# a busy machine may need more than the usual 200 ms for one example
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

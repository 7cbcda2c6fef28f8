"""Limits of the contract: the server enforces them, a client keeps to them, the proto states them."""

MAX_STRING_LENGTH = 200
"""Characters of any string of a request."""

MAX_TRACK_IDS = 1_000
"""Tracks of one RankTracks request."""

MAX_FAVOURITE_GENRES = 100
"""Favourite genres of one request."""

MAX_RECENT_PLAYS = 200
"""Recent plays of a listener's context."""

MAX_CURVE_POINTS = 1_000
"""Seconds at which one RankTracks request asks for listening curves."""

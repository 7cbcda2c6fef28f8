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

MAX_RANKED_CURVE_POINTS = 100_000
"""Points of all listening curves of one RankTracks answer, so that it stays below MAX_ANSWER_BYTES."""

MAX_ANSWER_BYTES = 4_000_000
"""Size of a RankTracks or PlanPrefetch answer: gRPC's clients take 4 MiB unless told otherwise."""

MAX_QUEUED_TRACKS = 200
"""Tracks to come of one PlanPrefetch request."""

MAX_TRACK_MS = 86_400_000
"""Duration of a track in a plan, in ms: a day."""

MAX_PLANNED_CHUNKS = 50_000
"""Chunks that a plan weighs; tracks further down the queue are left to a later plan."""

MAX_FETCHES = 4_000
"""Ranges of one plan. With the longest ids they stay below MAX_ANSWER_BYTES."""

MAX_TRANSFERS = 20
"""Transfers among a link's observations."""

MAX_SILENCES = 100
"""Silences among a link's observations."""

MAX_BYTES = 1 << 53
"""Bytes that a plan counts with: whole numbers stay whole in double precision."""

MAX_SECONDS = 1e9
"""Seconds of any time in a PlanPrefetch request."""

AUDIO_BYTES_PER_S = (1.0, 1e9)
"""Least and most bytes of a second of audio."""

CHUNK_S = (0.01, 3_600.0)
"""Least and most seconds of audio in a chunk."""

MAX_LATENCY_MS = 3_600_000.0
"""Round trip, and a storage's time to the first byte, in ms."""

MAX_PRICE = 1e6
"""Price of a wait, of a wasted byte or of a ration."""

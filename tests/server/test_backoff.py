from server.backoff import backoff_s


def test_the_wait_grows_to_a_bound_and_is_never_nothing() -> None:
    delays = [backoff_s(failures, first_s=0.1, longest_s=2.0) for failures in (0, 3, 10, 5000)]
    assert all(0 < delay <= 2.0 for delay in delays)
    assert delays[0] < delays[1] < delays[2]

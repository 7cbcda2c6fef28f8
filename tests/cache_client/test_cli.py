"""The commands as a person runs them: what they print, what they write, how they fail."""

import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cache_client.cli import app
from cache_client.cli.replay import _send
from cache_client.cli.seen_plays import ReplayedPlays
from cache_client.cli.simulate import _ask
from cache_client.laboratory_errors import UsageError
from cache_client.policies import DEFAULT_POLICIES
from cache_client.settings import CacheClientSettings
from cache_client.simulator import recorded_sessions
from data import generate, plays, read_dataset
from playthrough.v1 import prediction_service_pb2 as pb
from server.log.mongo.embedded.database import find_program
from tests.cache_client.scripted_server import ScriptedServicer
from tests.server.tiny_models import save_tiny_model


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A server in a process of its own that knows every track."""
    command = [sys.executable, "-m", "tests.cache_client.scripted_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip().removeprefix("listening on ")
        process.terminate()


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("cache_client") / "tiny"
    generate(directory, listeners=4, tracks=60, plays=300, seed=1)
    return directory


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run_json(*arguments: object) -> Any:
    done = run(*arguments, "--json", "-")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def assert_one_line(done: Result, *words: str) -> None:
    assert done.exit_code == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in ("error: ", *words):
        assert word in done.stderr


def test_rank_shows_the_best_first_and_marks_skips(server: str) -> None:
    done = run("rank", "--server", server, "--favourite-genre", "jazz", "disliked", "loved")
    assert done.exit_code == 0
    rows = [line for line in done.stdout.splitlines() if "loved" in line or "disliked" in line]
    assert [("loved" in row, "0.900" in row, "heard out" in row) for row in rows] == [
        (True, True, True),
        (False, False, False),
    ]


def test_rank_writes_the_ranking_as_json(server: str, tmp_path: Path) -> None:
    file = tmp_path / "ranking.json"
    assert run("rank", "--server", server, "disliked", "loved", "--json", file).exit_code == 0
    assert json.loads(file.read_text()) == {
        "tracks": [
            {"track_id": "loved", "play_through_probability": 0.9, "skipped": False},
            {"track_id": "disliked", "play_through_probability": 0.2, "skipped": True},
        ],
        "unknown_track_ids": [],
        "model": "simple",
        "version": "1",
    }


@pytest.mark.parametrize("command", ["rank", "recommend"])
def test_more_tracks_than_the_contract_can_ask_for_are_a_usage_error(server: str, command: str) -> None:
    done = run(command, "--server", server, "--top-k", 999999999999)
    assert done.exit_code == 2
    assert "--top-k" in done.stderr


@pytest.mark.parametrize("flag", ["--favourite-genre", "--model", "--"])
def test_an_argument_that_is_not_utf_8_is_one_line(server: str, flag: str) -> None:
    assert_one_line(run("rank", "--server", server, flag, "a\udcff"), "not UTF-8")


def test_a_web_address_for_a_server_is_one_line() -> None:
    assert_one_line(run("rank", "--server", "http://localhost:50051"), "'localhost:50051'")


def test_a_result_that_cannot_be_written_leaves_the_older_one(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ranking.json"
    file.write_text("older")

    def fill_the_disk(path: Path, text: str, encoding: str) -> None:
        path.write_bytes(text.encode(encoding)[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fill_the_disk)
    assert_one_line(run("rank", "--server", server, "loved", "--json", file), "cannot write")
    assert file.read_text() == "older"
    assert list(tmp_path.iterdir()) == [file]


def test_rank_without_tracks_takes_the_top_of_the_catalogue(server: str) -> None:
    ranking = run_json("rank", "--server", server, "--top-k", 2)
    assert [track["track_id"] for track in ranking["tracks"]] == ["loved", "liked"]


def test_simulate_writes_the_figures_that_others_rely_on(server: str, data: Path) -> None:
    report = run_json("simulate", "--data", data, "--server", server, "--holdout", 0.5)
    assert report["sessions"] > 0
    assert report["plays"] >= report["sessions"]
    assert report["link"]["bandwidth_bit_per_s"] == 2_000_000.0
    assert list(report["policies"]) == list(DEFAULT_POLICIES)
    for figures in report["policies"].values():
        assert set(figures) == {
            "startup_delay_p50_ms", "startup_delay_p95_ms", "first_play_delay_p50_ms", "stall_ms_per_hour",
            "waited_s_per_play",
            "hit_ratio", "byte_hit_ratio", "downloaded_bytes", "wasted_bytes", "wasted_ratio", "score",
            "score_ci95",
        }  # fmt: skip
    (comparison,) = [
        it for it in report["comparisons"] if (it["policy"], it["against"]) == ("advisor", "next-n-full")
    ]
    assert (comparison["policy"], comparison["against"]) == ("advisor", "next-n-full")
    assert report["model"] == "simple"
    assert report["link"]["eviction"] == "least recently used"
    assert (report["link"]["seed"], report["next_n"], report["holdout"]) == (42, 3, 0.5)
    assert set(report["constants"]) == {"two-constants", "tuned-constants"}


def test_simulate_over_recorded_links_says_which(server: str, data: Path, tmp_path: Path) -> None:
    fast, slow = tmp_path / "fast.txt", tmp_path / "slow.txt"
    fast.write_text("0 8\n60 8\n")
    slow.write_text("0 0.1\n60 0.1\n")
    flags = ["simulate", "--data", data, "--server", server, "--holdout", 0.5, "--policy", "none"]
    found = [run_json(*flags, "--link-trace", file) for file in (fast, slow)]
    assert [report["link"]["traces"] for report in found] == [["fast.txt"], ["slow.txt"]]
    waits_s = [report["policies"]["none"]["waited_s_per_play"] for report in found]
    assert waits_s[0] < 1.0 < waits_s[1]


@pytest.mark.parametrize("text", ["", "0 1 2\n", "a b\n", "0 0\n1 0\n", "5 1\n0 1\n", "0 nan\n1 1\n"])
def test_a_file_that_is_no_link_trace_is_one_line(server: str, data: Path, tmp_path: Path, text: str) -> None:
    file = tmp_path / "trace.txt"
    file.write_text(text)
    assert_one_line(run("simulate", "--data", data, "--server", server, "--link-trace", file), "trace.txt")


def test_a_kept_cache_downloads_less(server: str, data: Path) -> None:
    flags = ["simulate", "--data", data, "--server", server, "--holdout", 1.0, "--policy", "next-n-full"]
    fresh, kept = run_json(*flags), run_json(*flags, "--cache", "kept")
    assert kept["link"]["cache_kept"]
    assert [
        (it["policies"]["next-n-full"]["downloaded_bytes"], it["plays"]) for it in (kept, fresh)
    ] == sorted((it["policies"]["next-n-full"]["downloaded_bytes"], it["plays"]) for it in (kept, fresh))
    assert kept["policies"]["next-n-full"]["hit_ratio"] >= fresh["policies"]["next-n-full"]["hit_ratio"]


def test_new_devices_know_nothing_of_their_link(server: str, data: Path) -> None:
    flags = ["simulate", "--data", data, "--server", server, "--policy", "listener-rate"]
    known, new = run_json(*flags), run_json(*flags, "--new-devices")
    assert (known["link"]["remembered"], new["link"]["remembered"]) == (True, False)
    # Told of no silence yet, they expect some: more is fetched ahead and more of it goes unheard.
    wasted = [it["policies"]["listener-rate"]["wasted_bytes"] for it in (known, new)]
    assert wasted[0] < wasted[1]


def test_simulate_finds_the_advisor_ahead_of_next_n_with_fewer_wasted_bytes(server: str, data: Path) -> None:
    report = run_json("simulate", "--data", data, "--server", server, "--holdout", 1.0)
    (comparison,) = [
        it for it in report["comparisons"] if (it["policy"], it["against"]) == ("advisor", "next-n-full")
    ]
    assert comparison["score_difference_ci95"][0] > 0.0
    assert comparison["wasted_bytes_difference_ci95"][1] < 0.0
    advisor, next_n = report["policies"]["advisor"], report["policies"]["next-n-full"]
    assert advisor["startup_delay_p95_ms"] <= next_n["startup_delay_p95_ms"]


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Starts servers that list a model of the given fields; returns where one listens."""
    with ExitStack() as stack:

        def start(**model_fields: Any) -> str:
            command = [sys.executable, "-m", "tests.cache_client.scripted_server", json.dumps(model_fields)]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.terminate)
            assert process.stdout is not None
            return process.stdout.readline().strip().removeprefix("listening on ")

        yield start


COMMANDS: dict[str, list[object]] = {"simulate": ["--policy", "advisor"], "replay": ["--limit", 5]}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_model_that_has_seen_what_is_replayed_is_warned_of(
    serve: Callable[..., str], data: Path, command: str
) -> None:
    flags = [command, "--data", data, *COMMANDS[command], "--server"]
    digest = read_dataset(data).digest
    warned = run(*flags, serve(split="random", test_share=0.2, data_digest=digest))
    assert warned.exit_code == 0
    assert warned.stderr.startswith("warning: simple 1 was trained on a random split of these plays")
    assert len(warned.stderr.splitlines()) == 1
    for split, of_data in (("temporal", digest), ("random", "another")):
        assert run(*flags, serve(split=split, test_share=0.2, data_digest=of_data)).stderr == ""


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("fields", [{"split": "temporal", "refitted": True}, {"split": "listener"}], ids=str)
def test_a_refitted_model_is_refused_unless_allowed(
    serve: Callable[..., str], data: Path, command: str, fields: dict[str, Any]
) -> None:
    flags = [command, "--data", data, *COMMANDS[command]]
    digest = read_dataset(data).digest
    server = serve(**fields, test_share=0.2, data_digest=digest)
    refused = run(*flags, "--server", server)
    assert_one_line(refused, "refitted on all plays", "simple 1", "--allow-refitted")
    assert refused.stdout == ""
    allowed = run(*flags, "--server", server, "--allow-refitted")
    assert allowed.exit_code == 0
    assert allowed.stderr.startswith("warning: simple 1 was refitted on all of these plays")
    of_other_data = run(*flags, "--server", serve(**fields, test_share=0.2, data_digest="another"))
    assert (of_other_data.exit_code, of_other_data.stderr) == (0, "")


async def test_a_refitted_model_is_refused_before_the_first_prediction(
    target: str, servicer: ScriptedServicer, data: Path
) -> None:
    dataset = read_dataset(data)
    recorded, replayed = plays(dataset), ReplayedPlays(dataset.digest, 0.2, allow_refitted=False)
    sessions = recorded_sessions(recorded, dataset.catalogue, holdout=0.2, continuation=9, seed=1)
    servicer.model_fields = {"refitted": True, "data_digest": dataset.digest}
    settings = CacheClientSettings(server=target)
    with pytest.raises(UsageError, match="simple 1: refitted"):
        await _send(settings, recorded, replayed, None)
    with pytest.raises(UsageError, match="simple 1: refitted"):
        await _ask(sessions, replayed, 10, "", settings, None)
    assert [type(request) for request in servicer.requests] == [pb.ListModelsRequest] * 2


def test_policies_that_do_not_predict_are_simulated_whatever_a_server_has_seen(
    serve: Callable[..., str], data: Path
) -> None:
    server = serve(refitted=True, data_digest=read_dataset(data).digest)
    done = run("simulate", "--data", data, "--server", server, "--policy", "none")
    assert (done.exit_code, done.stderr) == (0, "")


@pytest.mark.skipif(find_program() is None, reason="secantusd-py is not installed")
def test_simulate_refuses_a_refitted_model_of_a_registry(data: Path, tmp_path: Path) -> None:
    digest = read_dataset(data).digest
    split = {"kind": "temporal", "test_share": 0.2, "seed": 42}
    save_tiny_model(tmp_path, "simple", "1", split=split, data_digest=digest)
    save_tiny_model(tmp_path, "advanced", "1", split=split, data_digest=digest, refitted=True)
    flags = ("simulate", "--data", data, "--models", tmp_path, "--policy", "advisor")
    assert_one_line(run(*flags), "refitted on all plays", "advanced 1")
    assert run(*flags, "--model", "simple").stderr == ""


def test_simulate_shows_a_table_and_the_comparison(server: str, data: Path) -> None:
    done = run("simulate", "--data", data, "--server", server)
    assert done.exit_code == 0
    for words in (
        "start p50",
        "advisor against tuned-constants",
        "advisor against listener-rate",
        "predictions: simple 1",
    ):
        assert words in done.stdout


def test_simulate_needs_no_server_for_policies_that_do_not_predict(data: Path) -> None:
    done = run(
        "simulate", "--data", data, "--server", "127.0.0.1:9", "--policy", "none", "--policy", "next-n-full"
    )
    assert done.exit_code == 0
    assert "predictions:" not in done.stdout


def test_flags_shape_the_world(data: Path) -> None:
    def wait_ms(*flags: object) -> float:
        report = run_json("simulate", "--data", data, "--policy", "none", *flags)
        return float(report["policies"]["none"]["first_play_delay_p50_ms"])

    # 10 ms + 90 ms to the first byte, then 1 s of audio (160 kbit) over 1 Mbit/s.
    latencies = ("--rtt-ms", 10, "--fast-ms", 90, "--medium-ms", 90, "--slow-ms", 90)
    assert wait_ms("--bandwidth-mbit", 1, "--chunk-s", 1, *latencies) == pytest.approx(260.0)


def test_simulate_shows_rankings_within_sessions_beside_the_models(server: str, data: Path) -> None:
    flags = ("--data", data, "--server", server, "--policy", "advisor", "--holdout", 1.0)
    skips = run_json("simulate", *flags)["skips"]
    assert list(skips["rankings"])[:2] == ["model", "shortest first"]
    for figures in skips["rankings"].values():
        assert figures["reduction"] == pytest.approx(1 - figures["skip_rate"] / skips["skip_rate"])
        low, high = figures["reduction_ci95"]
        assert low <= figures["reduction"] <= high
    shown = " ".join(run("simulate", *flags).stdout.split())
    for words in ("lower half of each session's queue is dropped", "hindsight", "model over shortest first"):
        assert words in shown


def test_place_compares_today_with_what_the_budget_buys(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "placement.csv"
    found = run_json("place", "--data", data, "--csv", file)
    today, recommended = found["today"], found["recommended"]
    assert recommended["cost_per_day"] <= today["cost_per_day"] + 1e-9
    assert recommended["wait_s_per_day"] <= today["wait_s_per_day"]
    rows = file.read_text().splitlines()
    assert rows[0] == "track_id,storage_class,recommended_class,plays_per_day,daily_cost"
    assert len(rows) == 61
    assert sum(recommended["classes"].values()) == 60
    moved = [row.split(",")[0] for row in rows[1:] if row.split(",")[1] != row.split(",")[2]]
    assert {move["track_id"] for move in found["moves"]} == set(moved)
    saved_s = sum(move["saved_s_per_day"] for move in found["moves"])
    assert saved_s == pytest.approx(today["wait_s_per_day"] - recommended["wait_s_per_day"])


def test_place_shows_which_tracks_move_where(data: Path) -> None:
    flags = ("--data", data, "--budget-per-day", 2)
    moves = run_json("place", *flags)["moves"]
    assert len(moves) > 2
    shown = run("place", *flags, "--top-k", 2).stdout
    for words in ("seconds a day", moves[0]["track_id"], "SLOW →", f"{len(moves)} of 60 tracks move"):
        assert words in shown
    assert moves[2]["track_id"] not in shown
    assert all(move["track_id"] in run("place", *flags, "--top-k", 0).stdout for move in moves)


def test_place_repairs_when_told_to(data: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(data, broken)
    with (broken / "tracks.jsonl").open("a") as tracks:
        tracks.write("{\n")
    assert_one_line(run("place", "--data", broken), "tracks.jsonl")
    repaired = run("place", "--data", broken, "--lenient")
    assert repaired.exit_code == 0
    assert "dropped" in repaired.stderr


def test_place_refuses_a_budget_that_buys_nothing(data: Path) -> None:
    assert_one_line(run("place", "--data", data, "--budget-per-day", 0.01), "a budget of 0.01 a day is below")


def test_recommend_lists_the_least_likely_to_be_skipped(server: str, data: Path) -> None:
    done = run("recommend", "--server", server, "--favourite-genre", "jazz", "--top-k", 2, "--data", data)
    assert done.exit_code == 0
    assert done.stdout.index("loved") < done.stdout.index("liked")
    assert "0.900" in done.stdout
    assert "disliked" not in done.stdout


def test_replay_sends_traffic_and_shows_each_models_accuracy(server: str, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "replay.json"
    done = run("replay", "--data", data, "--server", server, "--limit", 20, "--json", file)
    assert done.exit_code == 0, done.stderr
    assert "accuracy" in done.stdout
    written = json.loads(file.read_text())
    assert (written["plays"], written["unknown_tracks"]) == (20, 0)
    ((model),) = written["models"]
    assert (model["model"], model["n"]) == ("simple", 20)
    assert 0.0 <= model["accuracy"] <= 1.0


@pytest.mark.parametrize("command", [["rank", "a"], ["simulate"], ["replay"]], ids=lambda command: command[0])
def test_a_server_that_is_not_there_is_one_line(command: list[str], data: Path) -> None:
    flags = [] if command[0] == "rank" else ["--data", data]
    assert_one_line(run(*command, "--server", "127.0.0.1:9", *flags), "127.0.0.1:9 is unavailable")


@pytest.mark.parametrize("command", ["simulate", "replay"])
def test_missing_data_is_one_line(command: str, server: str, tmp_path: Path) -> None:
    assert_one_line(run(command, "--data", tmp_path / "nowhere", "--server", server), "nowhere")


def test_an_unknown_model_is_one_line(server: str, data: Path) -> None:
    assert_one_line(run("rank", "--server", server, "--model", "magic", "a"), "unknown model 'magic'")
    done = run("simulate", "--server", server, "--data", data, "--model", "magic")
    assert_one_line(done, "unknown model 'magic'")


def test_contradictions_and_unknown_policies_are_one_line(server: str, data: Path, tmp_path: Path) -> None:
    assert_one_line(
        run("simulate", "--server", server, "--models", tmp_path), "--server or --models, not both"
    )
    assert_one_line(run("simulate", "--models", tmp_path / "nowhere"), "nowhere")
    assert_one_line(run("simulate", "--policy", "magic"), "unknown policy 'magic'", "advisor")
    unwritable = tmp_path / "nowhere" / "file.json"
    assert_one_line(run("rank", "--server", server, "loved", "--json", unwritable), "cannot write", "nowhere")


@pytest.mark.parametrize("command", ["simulate", "replay", "place"])
def test_results_that_cannot_be_written_are_refused_before_the_work(command: str, tmp_path: Path) -> None:
    # There is no data either: the file is looked at first.
    flags = ("--data", tmp_path / "no data")
    assert_one_line(
        run(command, *flags, "--json", tmp_path / "nowhere" / "x.json"), "cannot write", "nowhere"
    )
    assert_one_line(run(command, *flags, "--json", tmp_path), "cannot write", "it is a folder")


@pytest.mark.parametrize("value", ["nan", "-1", "much"])
def test_a_budget_is_a_number_from_zero_on(value: str) -> None:
    done = run("place", "--budget-per-day", value)
    assert done.exit_code == 2
    assert "--budget-per-day" in done.stderr


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "much"])
def test_a_flag_takes_only_finite_numbers_in_its_range(value: str) -> None:
    done = run("simulate", "--policy", "none", "--bandwidth-mbit", value)
    assert done.exit_code == 2
    assert "--bandwidth-mbit" in done.stderr


def test_the_environment_names_the_server_and_a_bad_value_is_one_line(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAYTHROUGH_SERVER", server)
    assert run("rank", "loved").exit_code == 0
    monkeypatch.setenv("PLAYTHROUGH_DEADLINE_S", "soon")
    assert_one_line(run("rank", "loved"), "PLAYTHROUGH_DEADLINE_S")


@pytest.mark.parametrize("command", ["rank", "simulate", "replay", "place", "recommend"])
def test_help_has_an_example(command: str) -> None:
    done = run(command, "--help")
    assert done.exit_code == 0
    assert f"Example: python -m cache_client {command}" in " ".join(done.stdout.split())


def test_the_module_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cache_client", "--help"], capture_output=True, text=True, check=True
    )
    assert "simulate" in done.stdout

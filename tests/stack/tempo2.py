"""deploy/tempo.yaml, which is for Tempo 3, as Tempo 2.8 understands it: of Tempo 3 there is no Go module that could be built here."""

from typing import Any


def as_tempo_2(config: dict[str, Any]) -> dict[str, Any]:
    """The same configuration for Tempo 2.8; the argument stays as it is.

    What differs between the two is in here, and nothing else: receivers, sizes, limits, storage and ports are those of the file.
    """
    frontend = {key: value for key, value in config["query_frontend"].items() if key != "query_end_cutoff"}  # 2.8 hides nothing
    different = ("live_store", "backend_scheduler", "block_builder", "query_frontend", "overrides")
    kept = {key: value for key, value in config.items() if key not in different}
    return kept | {
        "query_frontend": frontend,
        "ingester": _ingester(config["live_store"]),
        "metrics_generator": _local_blocks(config["live_store"], config["storage"]["trace"]["wal"]["path"].removesuffix("/wal")),
        "overrides": {"defaults": config["overrides"]["defaults"] | {"metrics_generator": {"processors": ["local-blocks"]}}},
    }


def _ingester(live_store: dict[str, Any]) -> dict[str, Any]:
    """Tempo 2 keeps what is new in its ingester, where Tempo 3 has its live store."""
    return {
        "trace_idle_period": live_store["max_trace_idle"],
        "flush_check_period": live_store["flush_check_period"],
        "lifecycler": {"min_ready_duration": "0s"},  # a test does not wait for a ring of one to be stable
    }


def _local_blocks(live_store: dict[str, Any], data: str) -> dict[str, Any]:
    """TraceQL metrics over what is new come from Tempo 3's live store; Tempo 2 needs this part of its metrics generator for them."""
    return {
        "storage": {"path": f"{data}/generator/wal"},
        "traces_storage": {"path": f"{data}/generator/traces"},
        "processor": {
            "local_blocks": {
                "filter_server_spans": False,  # model calls are spans of clients
                "flush_to_storage": True,
                "trace_idle_period": live_store["max_trace_idle"],
                "flush_check_period": live_store["flush_check_period"],
            }
        },
    }

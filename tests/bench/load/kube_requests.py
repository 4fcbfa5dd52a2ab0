# SPDX-License-Identifier: Apache-2.0
"""Requests to a Kubernetes API, each kind for a while, over many connections at once.

    python3 kube_requests.py --kubeconfig FILE [--connections N] [--seconds S]

Creates ConfigMaps of 1 KiB in a namespace of its own, gets them, lists 500 of them, and watches the namespace while more are
made. Prints a line for each: requests a second (for the watch: events a second, all watchers together), and p50 and p99 in ms
(for the watch: from before the request that made the object to the event). The connections are shared by processes, so that one
Python is not what is measured. The namespace is deleted at the end.
"""

import argparse
import contextlib
import json
import multiprocessing
import threading
import time

from kube_access import Access, Api, percentile

PROCESSES = 4
LISTED = 500
WRITERS = 4


def body(name, namespace):
    return {"metadata": {"name": name, "namespace": namespace}, "data": {"at": str(time.monotonic_ns()), "pad": "x" * 1024}}


def path(namespace, name=""):
    return f"/api/v1/namespaces/{namespace}/configmaps" + (f"/{name}" if name else "")


def create(api, namespace, who, i):
    api.ask("POST", path(namespace), body(f"c-{who}-{i}", namespace))


def get(api, namespace, who, i):
    api.ask("GET", path(namespace, f"l-{(who * 31 + i) % LISTED}"))


def listing(api, namespace, who, i):
    status, data = api.send("GET", path(namespace) + f"?limit={LISTED}")
    if status != 200 or len(data) < LISTED * 1024:
        raise RuntimeError(f"a list of {LISTED}: {status}, {len(data)} bytes")


KINDS = {"create": create, "get": get, "list": listing}


def _work(access, kind, namespace, who, until, start, out):
    """One connection's requests until the time is over: how long each took."""
    api, took, i = Api(access), [], 0
    api.ask("GET", "/version")
    start.wait()
    end = time.monotonic() + until
    while (began := time.monotonic()) < end:
        KINDS[kind](api, namespace, who, i)
        took.append(time.monotonic() - began)
        i += 1
    api.close()
    out.extend(took)


def _process(access, kind, namespace, whos, until, start, answers):
    try:
        took, failed = [], []
        # as the barrier counts threads, one that failed would keep all others waiting: its words are what is told
        threads = [threading.Thread(target=_guarded, args=(failed, start, _work, access, kind, namespace, who, until, start, took)) for who in whos]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        answers.put(failed[0] if failed else took)
    except Exception as e:  # noqa: BLE001: told to the parent, which waits for it
        answers.put(repr(e))


def _guarded(failed, start, work, *args):
    try:
        work(*args)
    except Exception as e:  # noqa: BLE001: told to the parent
        failed.append(repr(e))
        start.abort()


def measure(access, kind, namespace, connections, seconds):
    """(requests a second, p50 ms, p99 ms)"""
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(connections), context.Queue()
    processes = [context.Process(target=_process, args=(access, kind, namespace, range(n, connections, PROCESSES), seconds, start, answers))
                 for n in range(min(PROCESSES, connections))]  # fmt: skip
    for p in processes:
        p.start()
    took = []
    for _ in processes:
        said = answers.get(timeout=seconds + 300)
        if isinstance(said, str):
            raise RuntimeError(f"{kind}: {said}")
        took += said
    for p in processes:
        p.join()
    return len(took) / seconds, percentile(took, 0.5) * 1000, percentile(took, 0.99) * 1000


def _watch(access, namespace, version, delays, ready):
    api = Api(access)
    events = api.watch(path(namespace), f"resourceVersion={version}")
    ready.release()
    with contextlib.suppress(OSError, ValueError, AttributeError):  # it is closed from outside
        for event in events:
            if event["type"] == "ADDED":
                delays.append((time.monotonic_ns() - int(event["object"]["data"]["at"])) / 1e9)


def _watchers(access, namespace, version, count, ready, done, answers):
    delays = []
    threads = [threading.Thread(target=_watch, args=(access, namespace, version, delays, ready), daemon=True) for _ in range(count)]
    for t in threads:
        t.start()
    done.wait()
    # what is under way may still come
    seen = -1
    while seen != len(delays):
        seen = len(delays)
        time.sleep(1)
    answers.put(list(delays))


def watch(access, namespace, watchers, seconds):
    """(events a second, p50 ms, p99 ms) of @watchers connections while WRITERS others create."""
    context = multiprocessing.get_context("spawn")
    ready, done, answers = context.Semaphore(0), context.Event(), context.Queue()
    version = Api(access).ask("GET", path(namespace) + "?limit=1")["metadata"]["resourceVersion"]
    shares = [len(range(n, watchers, PROCESSES)) for n in range(min(PROCESSES, watchers))]
    processes = [context.Process(target=_watchers, args=(access, namespace, version, share, ready, done, answers)) for share in shares]
    for p in processes:
        p.start()
    for _ in range(watchers):
        if not ready.acquire(timeout=120):
            raise RuntimeError("a watch did not begin within two minutes")
    made, start = [], threading.Barrier(WRITERS)
    began = time.monotonic()
    threads = [threading.Thread(target=_work, args=(access, "create", namespace, 1000 + n, seconds, start, made)) for n in range(WRITERS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    took = time.monotonic() - began
    done.set()
    delays = [d for _ in processes for d in answers.get(timeout=300)]
    for p in processes:
        p.join()
    if len(delays) != len(made) * watchers:
        raise RuntimeError(f"{watchers} watchers saw {len(delays)} events of {len(made)} objects")
    return len(delays) / took, percentile(delays, 0.5) * 1000, percentile(delays, 0.99) * 1000


def run(access, connections, seconds):
    """(kind, a second, p50, p99) after each other."""
    api = Api(access)
    namespace = f"load-{time.time_ns()}"
    api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    try:
        for i in range(LISTED):
            api.ask("POST", path(namespace), body(f"l-{i}", namespace))
        yield "create", *measure(access, "create", namespace, connections, seconds)
        yield "get", *measure(access, "get", namespace, connections, seconds)
        yield "list", *measure(access, "list", namespace, min(4, connections), seconds)
        yield "watch", *watch(access, namespace, connections, seconds)
    finally:
        Api(access).ask("DELETE", f"/api/v1/namespaces/{namespace}")


def main():
    words = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    words.add_argument("--kubeconfig", required=True)
    words.add_argument("--connections", type=int, default=32)
    words.add_argument("--seconds", type=float, default=10)
    args = words.parse_args()
    for kind, rate, p50, p99 in run(Access(args.kubeconfig), args.connections, args.seconds):
        print(json.dumps({"kind": kind, "a second": round(rate, 1), "p50 ms": round(p50, 2), "p99 ms": round(p99, 2)}), flush=True)


if __name__ == "__main__":
    main()

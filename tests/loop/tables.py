"""What a run of the loop has found, as tables, and what falls short of its goals."""

from tests.bench.report import table
from tests.loop.plant import Figures

HEAD = ["", "to review", "OK to review", "NG to review", "escapes", "overkill"]


def all_of(found: dict, seconds: list[list[str]]) -> str:
    """Everything, as text."""
    pairs = found["export"]
    blocks = [
        table(HEAD, [[name, *figures.row()] for name, figures in found["figures"].items()]),
        "\n".join(promises(name, report) for name, report in found["reports"].items()),
        f"{found['reviewed']} parts reviewed; reasons while the lamp was weak: {found['reasons']}",
        f"undone: {found['undone']}",
        f"pairs: {pairs['pairs']}, {pairs['splits']}, left out {pairs['left_out']}",
        f"gate: {refusals(found['gate'])}\n{differences(found['gate'])}",
        f"swapped captions: {swapped(found['swapped'])}",
        f"swapped captions in the gate, too: {deceived(found['deceived'])}",
        f"killed and started again, the same: {found.get('interrupted', 'not tried')}",
        f"shadow: {found['shadow']}",
        f"promotion: {found['load']}",
        f"rollback: {found['back']}",
        table(["step", "seconds"], seconds),
        f"{total(seconds, False)} seconds, and {total(seconds, True)} of controls",
    ]
    return "\n\n".join(blocks)


def total(seconds: list[list[str]], of_controls: bool) -> int:
    """Seconds of the steps that are controls, or of the others."""
    return sum(int(took) for name, took in seconds if name.startswith("control:") == of_controls)


def promises(name: str, report: dict) -> str:
    """What a calibration says."""
    weights = f"{name}: weights {report['weights']}"
    return f"{weights}\n  escape {report['escape']['text']}\n  overkill {report['overkill']['text']}"


def refusals(gate: dict) -> str:
    """The gate's verdict."""
    return "passed" if gate["passed"] else f"refused: {gate['refusals']}"


def swapped(gate: dict | None) -> str:
    """What became of the candidate that learnt from swapped captions."""
    return "nothing could be learnt of them" if gate is None else f"{refusals(gate)}\n{differences(gate)}"


def deceived(of: dict | None) -> str:
    """The same candidate before a gate with swapped captions, and in the shadow."""
    return "not tried" if of is None else f"{refusals(of['gate'])}; shadow: {of['shadow']}"


def is_seen(shadow: dict) -> bool:
    """Whether the shadow shows that a candidate is worse: the whole interval of its share is below a half."""
    interval = shadow["judged"]["share_better"]
    return interval is not None and interval[1] < 0.5


def differences(gate: dict) -> str:
    """The headline numbers of the gate's sets."""
    rows = [
        [each["set"].split("/")[-1], one["benchmark"], name, *numbers(metric)]
        for each in gate["sets"]
        for one in each["benchmarks"]
        for name, metric in one["metrics"].items()
        if metric["headline"] or name == "both_ways"
    ]
    return table(["set", "benchmark", "metric", "before", "after", "points", "95 %"], rows)


def numbers(metric: dict) -> list[str]:
    """Cells of a difference."""
    return [
        f"{metric['baseline']:.1f}",
        f"{metric['candidate']:.1f}",
        f"{metric['difference']:+.1f}",
        f"{metric['low']:+.1f} to {metric['high']:+.1f}",
    ]


def winning_controls(found: dict) -> list[str]:
    """Controls that do at least as well as training."""
    _, after, control, both = found["figures"].values()
    claims = {
        "more references alone do as well as training": after.review_share < control.review_share,
        "with more references, training adds nothing": both.review_share < control.review_share,
    }
    return [name for name, stands in claims.items() if not stands]


def missed(found: dict) -> list[str]:
    """The goals that were not reached."""
    figures: dict[str, Figures] = found["figures"]
    before, after = figures["before"], figures["after"]
    load = found["load"]
    wrong = {name: load[name] for name in ("answered differently", "lost", "stored twice") if load[name]}
    goals = {
        "the share that goes to review is not halved": after.review_share <= before.review_share / 2,
        f"inspections around the promotion: {wrong}": not wrong,
        "the gate let swapped captions pass": found["swapped"] is None or not found["swapped"]["passed"],
        "the shadow does not show a worse candidate": found["deceived"] is None
        or is_seen(found["deceived"]["shadow"]),
        f"a kill changed a result: {found.get('interrupted')}": all(found.get("interrupted", {}).values()),
        "a wrong verdict could not be undone": found["undone"] != "none was wrong",
    }
    return [name for name, is_met in goals.items() if not is_met]

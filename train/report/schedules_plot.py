"""Figure of all β schedules, drawn from RateSchedule itself."""

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from train.report.plots import COLOURS, panels
from train.report.runs import EPOCHS
from train.vae.schedules import RateSchedule

POINTS = 1000
CAPACITY_NATS = 25.0  # as in the paper's experiments (Burgess et al., 2018, figure 4)
STYLES = ("-", "--", "-", "-", "-", ":")


def six_schedules(total_nimg: int) -> dict[str, RateSchedule]:
    """Every shape for a run of `total_nimg` images: ramps over its first half, +40 every two tenths, four cycles."""
    half = max(1, total_nimg // 2)
    return {
        "constant": RateSchedule("constant"),
        "sigmoid": RateSchedule("sigmoid", ramp_nimg=half),
        "linear": RateSchedule("linear", ramp_nimg=half),
        "step": RateSchedule("step", ramp_nimg=max(1, 2 * total_nimg // EPOCHS), start=0.1, increment=40.0),
        "cyclical": RateSchedule("cyclical", ramp_nimg=max(1, total_nimg // 4), rise=0.5),
        "capacity": RateSchedule("capacity", ramp_nimg=half, capacity_nats=CAPACITY_NATS),
    }


def draw_schedules(beta: float, total_nimg: int) -> Figure:
    """Left the weight of the rate over images seen, with `beta` as the final one; right the rate that "capacity" asks for.

    The weight of "capacity" multiplies |rate − target|. Up to a thousand images every image has its point, beyond that every
    thousandth part of the run has.
    """
    figure, (left, right) = panels(2)
    seen = range(0, total_nimg, max(1, total_nimg // POINTS))
    for (name, schedule), colour, style in zip(six_schedules(total_nimg).items(), COLOURS, STYLES, strict=False):
        left.plot(seen, [schedule.weight(nimg, beta) for nimg in seen], label=name, color=colour, linestyle=style, linewidth=1.6)
        targets = [schedule.target(nimg) for nimg in seen]
        if None not in targets:
            right.plot(seen, targets, color=colour, linestyle=style, linewidth=1.6)
    left.set(xlabel="images seen", ylabel="weight of the rate", title=f"weight, β = {beta:g}")
    right.set(xlabel="images seen", ylabel="nats", title="target of the rate (capacity)")
    for ax in (left, right):
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    figure.legend(loc="outside lower center", ncols=6, fontsize=8, frameon=False)
    return figure
